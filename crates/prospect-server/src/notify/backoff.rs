//! Exponential back-off with jitter.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Back-off after the first failure. Each further failure doubles it.
const FIRST: Duration = Duration::from_millis(500);
/// The longest back-off.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// Back-off after `failures` failures, from 1: a random time between half of the doubled time and all
/// of it, so that clients that failed together do not retry together.
pub(super) fn wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let most = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    most.mul_f64(0.5 + 0.5 * fraction(chance()))
}

/// A random number, not for secrets.
pub(super) fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn fraction(number: u64) -> f64 {
    // The upper 53 bits, the precision of an f64.
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
