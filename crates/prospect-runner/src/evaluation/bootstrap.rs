//! How sure a figure over many videos is: the percentile bootstrap (Efron, 1979) over videos.

/// Resamples drawn for an interval.
const RESAMPLES: usize = 2000;
/// Share of the resamples inside an interval.
const CONFIDENCE: f64 = 0.95;

/// A 95% interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// The 95% interval of `figure`, which is computed from a sample of indices into `videos` videos. The same call gives the
/// same interval; without videos it is all of the real line's NaN.
pub fn bootstrap(videos: usize, figure: impl Fn(&[usize]) -> f64) -> Interval {
    if videos == 0 {
        return Interval { low: f64::NAN, high: f64::NAN };
    }
    let mut random = SplitMix64(videos as u64);
    let mut sample = vec![0; videos];
    let mut figures: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            sample.fill_with(|| (random.next() % videos as u64) as usize);
            figure(&sample)
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures[((share * RESAMPLES as f64) as usize).min(RESAMPLES - 1)];
    Interval { low: at((1.0 - CONFIDENCE) / 2.0), high: at((1.0 + CONFIDENCE) / 2.0) }
}

/// A small generator whose stream never changes with a library's version (Steele et al., 2014).
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
        let Interval { low, high } = bootstrap(100, mean);
        // Standard deviation 2.87, so the standard error is 0.287 and the interval about 4.5 +- 0.56.
        assert!((3.8..4.1).contains(&low) && (4.9..5.2).contains(&high), "{low} {high}");
        assert_eq!(bootstrap(100, mean), Interval { low, high });
    }

    #[test]
    fn one_video_has_no_spread_and_none_has_no_interval() {
        assert_eq!(bootstrap(1, |_| 0.5), Interval { low: 0.5, high: 0.5 });
        assert!(bootstrap(0, |_| 0.5).low.is_nan());
    }
}
