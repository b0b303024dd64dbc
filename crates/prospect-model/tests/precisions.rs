//! What is given up for speed: every precision is near the reference, and none of them changes nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{OneShot, folder};
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, FloatType, Precisions, SmolVlm};

/// `‖a - b‖ / ‖b‖`
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

/// The parts one by one, with how far logits may be off. The goldens' weights are random, with nothing trained that would
/// forgive; errors of all layers add up.
const PARTS: [(&str, Precisions, f64); 5] = [
    ("vision", Precisions { vision: Precisions::INT8_VISION, ..Precisions::EXACT }, 0.05),
    ("decoder", Precisions { decoder: Precisions::INT8_DECODER, ..Precisions::EXACT }, 0.08),
    ("attention", Precisions { vision_attention: FloatType::Bf16, ..Precisions::EXACT }, 0.01),
    ("cache", Precisions { kv_cache: FloatType::Bf16, ..Precisions::EXACT }, 0.02),
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

#[test]
fn a_cache_of_half_the_size_is_evicted_as_the_whole_one() {
    let half = Precisions { kv_cache: FloatType::Bf16, ..Precisions::EXACT };
    let policies = [
        PositionPolicy::Rerotate,
        PositionPolicy::Preserve,
        PositionPolicy::Legacy,
        PositionPolicy::Recompute,
    ];
    for policy in policies {
        let logits = |precisions: Precisions| {
            let model = SmolVlm::load_with(&folder("gqa-tied"), precisions).unwrap();
            let mut cache = model.new_cache(64, policy).unwrap();
            let ids: Vec<u32> = (0..40).map(|index| 3 + index % 50).collect();
            model.prefill(&model.joint_embed(&ids, None).unwrap(), &mut cache).unwrap();
            model.evict(&mut cache, &[EvictionPiece::Keep(0..8), EvictionPiece::Keep(24..40)]).unwrap();
            assert_eq!(cache.len(), 24);
            model.prefill(&model.joint_embed(&ids[..5], None).unwrap(), &mut cache).unwrap()
        };
        let off = relative(&logits(half), &logits(Precisions::EXACT));
        assert!(off > 0.0 && off < 0.02, "{policy:?}: {off}");
    }
}
