//! Seeds for training and for evaluation.

use sha2::{Digest, Sha256};

/// Training seeds are smaller than this. Evaluation seeds have the top bit set, so the two sets are
/// disjoint.
pub(crate) const TRAINING_SEEDS: u64 = 1 << 32;

/// The evaluation seeds of a checkpoint. They are derived from the bytes of its weights, so that no
/// training can have seen these videos.
pub(crate) fn evaluation_seeds(weights: &[u8], count: usize) -> Vec<u64> {
    let digest = Sha256::digest(weights);
    let seed_of = |number: u64| {
        let bytes = Sha256::new().chain_update(digest).chain_update(number.to_le_bytes()).finalize();
        bytes.iter().take(8).fold(0u64, |seed, byte| seed << 8 | u64::from(*byte)) | 1 << 63
    };
    (0..count as u64).map(seed_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_follow_from_the_weights_and_never_meet_the_training_range() {
        let seeds = evaluation_seeds(b"weights", 60);
        assert_eq!(seeds, evaluation_seeds(b"weights", 60));
        assert_ne!(seeds, evaluation_seeds(b"weightz", 60));
        assert!(seeds.iter().all(|seed| *seed >= TRAINING_SEEDS));
    }
}
