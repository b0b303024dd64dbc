//! A budget in bytes or in seconds. It is converted to tokens when the checkpoint is known.

use std::fmt;

use crate::bytes;

/// The size of the cache in a unit that can be converted to tokens only with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CacheBudget {
    /// The most bytes of keys and values.
    Bytes(u64),
    /// The stream seconds for which a frame is remembered, above 0. Messages and replies take room from the
    /// frames.
    Seconds(f64),
}

/// The costs of a stream under a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCosts {
    /// The bytes of one token in the cache.
    pub bytes_per_token: usize,
    /// The tokens of a frame, including everything that goes in with it and the silence token.
    pub frame_tokens: usize,
    /// The tokens that are always in the cache beside the frames: the opening, and the question for a
    /// summary.
    pub fixed_tokens: usize,
}

/// Units of time, the longest name first where one ends in another.
const UNITS: [(&str, f64); 4] = [("min", 60.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];

impl CacheBudget {
    /// Reads `256MiB`, `4096` (bytes), `90s`, `5m` or `1.5h`; `None` if the text is no amount above 0.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        bytes::parse(text).map(Self::Bytes).or_else(|| seconds(text).map(Self::Seconds))
    }
}

impl fmt::Display for CacheBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{bytes}B"),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
        }
    }
}

/// Reads a time as seconds: `90s`, `5m`, `5 min`, `1.5h`. `None` if the text is not a time above 0, or if the
/// time is longer than a year.
pub fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let seconds = number.trim().parse::<f64>().ok()? * unit;
    (seconds > 0.0 && seconds <= 365.0 * 24.0 * 3600.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_and_of_time_and_what_is_neither() {
        assert_eq!(CacheBudget::parse("8MiB"), Some(CacheBudget::Bytes(8 << 20)));
        assert_eq!(CacheBudget::parse("4096"), Some(CacheBudget::Bytes(4096)));
        for (text, seconds) in [("90s", 90.0), ("5m", 300.0), ("5 min", 300.0), ("1.5h", 5400.0)] {
            let budget = CacheBudget::parse(text).unwrap();
            assert_eq!(budget, CacheBudget::Seconds(seconds), "{text}");
            assert_eq!(CacheBudget::parse(&budget.to_string()), Some(budget));
        }
        for wrong in ["", "s", "0s", "-1m", "nanm", "infs", "2 fortnights", "99999h"] {
            assert_eq!(CacheBudget::parse(wrong), None, "{wrong}");
        }
    }
}
