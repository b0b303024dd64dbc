//! Percentiles of any number of times in a fixed amount of memory.

/// Buckets grow by this factor, so a percentile is off by at most 1%.
const GROWTH: f64 = 1.02;
/// Upper border of the first bucket, in milliseconds.
const LEAST_MS: f64 = 1e-3;
/// Covers everything up to a quarter of an hour.
const BUCKETS: usize = 1040;

/// Counts of times by their logarithm.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, ms: f64) {
        let bucket = (ms / LEAST_MS).max(1.0).ln() / GROWTH.ln();
        self.counts[(bucket as usize).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    /// The time below which `share` (0 to 1) of the times lie; 0 without times.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let rank = ((share * self.total as f64).ceil() as u64).max(1);
        let mut below = 0;
        let reached = |count: &u64| {
            below += count;
            below >= rank
        };
        // The middle of the bucket on the logarithmic scale.
        let bucket = self.counts.iter().position(reached);
        bucket.map_or(0.0, |bucket| LEAST_MS * GROWTH.powf(bucket as f64 + 0.5))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_times_have_no_percentile() {
        assert_eq!(Histogram::default().percentile(0.95), 0.0);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(times in prop::collection::vec(0.01f64..100_000.0, 1..300), share in 0.01f64..1.0) {
            let mut histogram = Histogram::default();
            times.iter().for_each(|&ms| histogram.add(ms));
            let mut sorted = times;
            sorted.sort_by(f64::total_cmp);
            let exact = sorted[((share * sorted.len() as f64).ceil() as usize - 1).min(sorted.len() - 1)];
            let found = histogram.percentile(share);
            prop_assert!((found / exact - 1.0).abs() < 0.011, "{found} for {exact}");
        }
    }
}
