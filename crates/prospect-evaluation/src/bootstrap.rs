//! The uncertainty of a figure over many videos: the percentile bootstrap (Efron, 1979) over videos.

/// The number of resamples for an interval.
const RESAMPLES: usize = 2000;
/// The share of the resamples inside an interval.
const CONFIDENCE: f64 = 0.95;

/// The fewest videos for which an interval is computed. With fewer videos there are too few different
/// resamples, and a single video would give an interval of width 0.
pub const LEAST_VIDEOS: usize = 5;

/// A 95% interval; NaN if there is none.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

/// The 95% intervals of `figures`, which are computed from a sample of indices into `videos` videos. Equal
/// calls give equal intervals. With fewer than [`LEAST_VIDEOS`] videos they are NaN. A resample in which a
/// figure is NaN is left out for that figure; if no resample is left, its interval is NaN.
pub fn bootstrap(videos: usize, figures: impl Fn(&[usize]) -> Vec<f64>) -> Vec<Interval> {
    let mut random = SplitMix64(videos as u64);
    let mut sample = vec![0; videos];
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let resamples = if videos < LEAST_VIDEOS { 1 } else { RESAMPLES };
    for _ in 0..resamples {
        sample.fill_with(|| (random.next() % videos as u64) as usize);
        let row = figures(&sample);
        columns.resize(row.len(), Vec::new());
        for (column, figure) in columns.iter_mut().zip(row) {
            column.extend(Some(figure).filter(|figure| !figure.is_nan() && resamples > 1));
        }
    }
    columns.into_iter().map(percentiles).collect()
}

fn percentiles(mut figures: Vec<f64>) -> Interval {
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (share * figures.len() as f64) as usize;
        figures.get(index.min(figures.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    Interval { low: at((1.0 - CONFIDENCE) / 2.0), high: at((1.0 + CONFIDENCE) / 2.0) }
}

/// A small random number generator whose numbers do not change with a library's version (Steele et al.,
/// 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_has_the_width_of_its_standard_error() {
        let values: Vec<f64> = (0..100).map(|value| f64::from(value % 10)).collect();
        let mean = |sample: &[usize]| sample.iter().map(|&index| values[index]).sum::<f64>() / 100.0;
        let intervals = bootstrap(100, |sample| vec![mean(sample), f64::NAN]);
        let Interval { low, high } = intervals[0];
        // Standard deviation 2.87, so the standard error is 0.287 and the interval about 4.5 +- 0.56.
        assert!((3.8..4.1).contains(&low) && (4.9..5.2).contains(&high), "{low} {high}");
        assert!(intervals[1].low.is_nan() && intervals[1].high.is_nan());
        assert_eq!(bootstrap(100, |sample| vec![mean(sample)]), [Interval { low, high }]);
    }

    #[test]
    fn few_videos_have_no_interval() {
        for videos in 0..LEAST_VIDEOS {
            let intervals = bootstrap(videos, |sample| vec![sample.len() as f64, 0.5]);
            assert!(intervals.len() == 2 && intervals[1].low.is_nan() && intervals[1].high.is_nan());
        }
        assert_eq!(bootstrap(LEAST_VIDEOS, |_| vec![0.5]), [Interval { low: 0.5, high: 0.5 }]);
    }
}
