//! How long to wait before something is tried again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// The wait after the first failure; each further one doubles it.
const FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// The wait after so many failures (from 1): between a half and all of the doubled time, so that those who failed together do not
/// come back together.
pub(super) fn wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let most = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    most.mul_f64(0.5 + 0.5 * fraction(chance()))
}

/// A number that differs from call to call; no secret depends on it.
pub(super) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn fraction(number: u64) -> f64 {
    // The upper bits, as many as an f64 has.
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_differ() {
        for (failures, most) in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 32.0), (8, 60.0), (u32::MAX, 60.0)] {
            let waits: Vec<f64> = (0..50).map(|_| wait(failures).as_secs_f64()).collect();
            assert!(waits.iter().all(|wait| (most / 2.0..=most).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{failures}: no jitter");
        }
        assert!(fraction(0) == 0.0 && fraction(u64::MAX) < 1.0);
    }
}
