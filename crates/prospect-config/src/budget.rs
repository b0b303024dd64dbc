//! A budget in bytes or in seconds: it becomes tokens once the checkpoint is known.

use std::fmt;

use crate::bytes;

/// What the cache may hold, in a unit that only a checkpoint turns into tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CacheBudget {
    /// Most bytes of keys and values.
    Bytes(u64),
    /// Stream seconds for which a frame is remembered, above 0. What is said takes room from the frames.
    Seconds(f64),
}

/// What a checkpoint says about the cost of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheCosts {
    /// Bytes that a token takes in the cache.
    pub bytes_per_token: usize,
    /// Tokens that a frame takes with everything that goes in with it, silence included.
    pub frame_tokens: usize,
    /// Tokens that stand beside the frames at any time: the opening, and the question for a summary.
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

/// `90s`, `5m`, `5 min`, `1.5h`; `None` if it is no time above 0. A year is longer than any stream.
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
