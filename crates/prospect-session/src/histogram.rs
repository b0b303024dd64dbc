//! A histogram of times: percentiles of any number of times in a fixed amount of memory.

use serde::{Deserialize, Serialize};

/// Each bucket is wider than the one before by this factor, so the error of a percentile is at most 1%.
const GROWTH: f64 = 1.02;
/// The upper border of the first bucket, in milliseconds.
const LEAST_MS: f64 = 1e-3;
/// The number of buckets. They cover all times up to a quarter of an hour.
const BUCKETS: usize = 1040;

/// The number of times in each bucket of a logarithmic scale. In JSON, only buckets that are not empty, as
/// `[bucket, count]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(usize, u64)>", into = "Vec<(usize, u64)>")]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl From<Vec<(usize, u64)>> for Histogram {
    fn from(filled: Vec<(usize, u64)>) -> Self {
        let mut histogram = Self::default();
        filled.into_iter().for_each(|(bucket, count)| histogram.add_to_bucket(bucket, count));
        histogram
    }
}

impl From<Histogram> for Vec<(usize, u64)> {
    fn from(histogram: Histogram) -> Self {
        histogram.counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect()
    }
}

impl Histogram {
    /// Adds a time in milliseconds.
    pub fn add(&mut self, ms: f64) {
        let bucket = (ms / LEAST_MS).max(1.0).ln() / GROWTH.ln();
        self.add_to_bucket(bucket as usize, 1);
    }

    /// Adds all times of another histogram.
    pub fn merge(&mut self, other: &Self) {
        other.counts.iter().enumerate().for_each(|(bucket, count)| self.add_to_bucket(bucket, *count));
    }

    fn add_to_bucket(&mut self, bucket: usize, count: u64) {
        self.counts[bucket.min(BUCKETS - 1)] += count;
        self.total += count;
    }

    /// The time in milliseconds below which a `share` (0 to 1) of the times lies; 0 if there are no times.
    pub fn percentile(&self, share: f64) -> f64 {
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
        fn two_halves_written_and_merged_are_the_whole(times in prop::collection::vec(0.01f64..1e7, 0..60), half in 0usize..60) {
            let of = |times: &[f64]| {
                let mut histogram = Histogram::default();
                times.iter().for_each(|&ms| histogram.add(ms));
                histogram
            };
            let (first, second) = times.split_at(half.min(times.len()));
            let mut merged: Histogram = serde_json::from_str(&serde_json::to_string(&of(first)).unwrap()).unwrap();
            merged.merge(&of(second));
            prop_assert_eq!(merged, of(&times));
        }

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
