//! The cost of faster formats: every precision is close to the exact results, and each of them has an
//! effect.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{OneShot, folder};
use prospect_context::PositionPolicy;
use prospect_model::{CacheType, EvictionPiece, FloatType, Precisions, SmolVlm};

/// `‖a - b‖ / ‖b‖`
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

/// The formats one by one, and the largest allowed relative difference of the logits. The goldens'
/// weights are random, so no training reduces the effect of rounding, and the errors of all layers add
/// up.
const PARTS: [(&str, Precisions, f64); 6] = [
    ("vision", Precisions { vision: Precisions::INT8_VISION, ..Precisions::EXACT }, 0.05),
    ("decoder", Precisions { decoder: Precisions::INT8_DECODER, ..Precisions::EXACT }, 0.08),
    ("attention", Precisions { vision_attention: FloatType::Bf16, ..Precisions::EXACT }, 0.01),
    ("bf16 cache", Precisions { kv_cache: CacheType::Bf16, ..Precisions::EXACT }, 0.02),
    ("int8 cache", Precisions { kv_cache: CacheType::Int8, ..Precisions::EXACT }, 0.04),
    ("all", Precisions::Q8, 0.1),
];

#[test]
fn every_part_is_near_the_reference() {
    for checkpoint in common::CHECKPOINTS {
        for (part, precisions, bound) in PARTS {
            let model = SmolVlm::load_with(&folder(checkpoint), precisions).unwrap();
            let case = OneShot::split(checkpoint);
            let logits = case.logits_of(&model);
            let from = logits.len() - case.logits.len();
            let off = relative(&logits[from..], &case.logits);
            assert!(off < bound, "{checkpoint}, {part}: logits are off by {off}");
            assert!(off > 1e-5, "{checkpoint}, {part}: nothing was rounded ({off})");
        }
    }
}

const POLICIES: [PositionPolicy; 4] =
    [PositionPolicy::Rerotate, PositionPolicy::Preserve, PositionPolicy::Legacy, PositionPolicy::Recompute];

#[test]
fn a_smaller_cache_is_evicted_as_the_whole_one() {
    for (cache, bound) in [(CacheType::Bf16, 0.02), (CacheType::Int8, 0.04)] {
        for policy in POLICIES {
            let off = relative(&evicted(cache, policy, 1), &evicted(CacheType::F32, policy, 1));
            assert!(off > 0.0 && off < bound, "{cache:?} {policy:?}: {off}");
        }
    }
}

/// Rotated keys are rounded again at each eviction, back and forth at random: 32 evictions cost less
/// than the square root of 32 times one.
#[test]
fn many_evictions_round_less_than_their_number() {
    for cache in [CacheType::Bf16, CacheType::Int8] {
        let off = |times| {
            let exact = evicted(CacheType::F32, PositionPolicy::Rerotate, times);
            relative(&evicted(cache, PositionPolicy::Rerotate, times), &exact)
        };
        let (once, often) = (off(1), off(32));
        assert!(once < often && often < 32f64.sqrt() * once, "{cache:?}: {once}, 32 times {often}");
    }
}

/// Logits after a number of evictions. The last tokens of the cache are kept throughout and rotated
/// each time.
fn evicted(kv_cache: CacheType, policy: PositionPolicy, times: usize) -> Vec<f32> {
    let precisions = Precisions { kv_cache, ..Precisions::EXACT };
    let model = SmolVlm::load_with(&folder("gqa-tied"), precisions).unwrap();
    let mut cache = model.new_cache(64, policy).unwrap();
    let ids: Vec<u32> = (0..40).map(|index| 3 + index % 50).collect();
    model.prefill(&model.joint_embed(&ids, None).unwrap(), &mut cache).unwrap();
    for time in 1..=times {
        let last = EvictionPiece::Keep(cache.len() - 16..cache.len());
        // Alternately 16 or 15 tokens are inserted in between, and none at the end.
        let between = if time < times { 24 - time % 2 } else { 8 };
        let between = EvictionPiece::Tokens(model.joint_embed(&ids[8..between], None).unwrap());
        model.evict(&mut cache, &[EvictionPiece::Keep(0..8), between, last]).unwrap();
    }
    model.prefill(&model.joint_embed(&ids[..5], None).unwrap(), &mut cache).unwrap()
}
