//! What the cache promises: its bound, its evictions and their positions.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Golden, max_difference};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, KvCache, ModelError, SmolVlm};

const TOLERANCE: f32 = 1e-4;

fn model() -> SmolVlm {
    SmolVlm::load(&Golden::read("gqa-tied-bf16").folder).unwrap()
}

fn ids(count: usize) -> Vec<u32> {
    (0..count).map(|index| (3 + index * 7 % 80) as u32).collect()
}

fn put(model: &SmolVlm, cache: &mut KvCache, ids: &[u32]) -> Vec<f32> {
    model.prefill(&model.joint_embed(ids, None).unwrap(), cache).unwrap()
}

fn filled(model: &SmolVlm, policy: PositionPolicy, ids: &[u32]) -> KvCache {
    let mut cache = model.new_cache(128, policy).unwrap();
    put(model, &mut cache, ids);
    cache
}

#[test]
fn chunks_add_up_to_one_prefill() {
    let model = model();
    let ids = ids(40);
    let mut whole = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    let expected = put(&model, &mut whole, &ids);
    let mut cache = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    let mut logits = Vec::new();
    for chunk in [&ids[..13], &ids[13..14], &ids[14..40]] {
        logits = put(&model, &mut cache, chunk);
    }
    assert!(max_difference(&logits, &expected) < TOLERANCE);
}

#[test]
fn rerotated_keys_equal_keys_computed_at_the_new_positions() {
    let model = model();
    let ids = ids(40);
    let mut cache = filled(&model, PositionPolicy::Rerotate, &ids);
    model.evict(&mut cache, &[EvictionPiece::Keep(0..6), EvictionPiece::Keep(25..40)]).unwrap();
    assert_eq!(cache.positions(), (0..21).collect::<Vec<_>>());
    // Keys of the first layer depend on a token and its position alone.
    let survivors = [&ids[..6], &ids[25..]].concat();
    let fresh = filled(&model, PositionPolicy::Rerotate, &survivors);
    assert!(max_difference(&cache.keys(0).unwrap(), &fresh.keys(0).unwrap()) < TOLERANCE);
}

#[test]
fn a_hundred_rerotations_do_not_drift() {
    let model = model();
    let ids = ids(60);
    let mut cache = filled(&model, PositionPolicy::Rerotate, &ids[..40]);
    for _ in 0..100 {
        put(&model, &mut cache, &ids[40..60]);
        model.evict(&mut cache, &[EvictionPiece::Keep(0..20), EvictionPiece::Keep(40..60)]).unwrap();
    }
    let fresh = filled(&model, PositionPolicy::Rerotate, &[&ids[..20], &ids[40..60]].concat());
    assert!(max_difference(&cache.keys(0).unwrap(), &fresh.keys(0).unwrap()) < TOLERANCE);
}

#[test]
fn recompute_equals_a_fresh_prefill_of_the_survivors() {
    let model = model();
    let ids = ids(41);
    let mut cache = filled(&model, PositionPolicy::Recompute, &ids[..40]);
    model.evict(&mut cache, &[EvictionPiece::Keep(0..6), EvictionPiece::Keep(25..40)]).unwrap();
    let logits = put(&model, &mut cache, &ids[40..]);
    let mut fresh = filled(&model, PositionPolicy::Recompute, &[&ids[..6], &ids[25..40]].concat());
    assert!(max_difference(&logits, &put(&model, &mut fresh, &ids[40..])) < TOLERANCE);
}

#[test]
fn legacy_and_preserve_keep_rotations_and_differ_in_what_comes_next() {
    let model = model();
    for (policy, next) in [(PositionPolicy::Legacy, 21), (PositionPolicy::Preserve, 40)] {
        let mut cache = filled(&model, policy, &ids(40));
        model.evict(&mut cache, &[EvictionPiece::Keep(0..6), EvictionPiece::Keep(25..40)]).unwrap();
        assert_eq!(cache.positions(), (0..6).chain(25..40).collect::<Vec<_>>());
        assert_eq!(cache.next_position(), next, "{policy:?}");
    }
}

#[test]
fn preserve_starts_again_at_zero_before_the_models_maximum() {
    let model = model();
    let maximum = model.config().text_config.max_position_embeddings;
    let mut cache = model.new_cache(128, PositionPolicy::Preserve).unwrap();
    let (mut resets, mut tokens) = (0, 0);
    while tokens < 3 * maximum {
        put(&model, &mut cache, &ids(40));
        tokens += 40;
        if cache.len() > 80 {
            resets += usize::from(model.evict(&mut cache, &[EvictionPiece::Keep(60..100)]).unwrap());
        }
    }
    assert!(resets >= 2, "{resets} resets in {tokens} tokens");
    assert!(cache.next_position() < maximum);
}

#[test]
fn a_put_back_text_stands_before_what_is_kept_behind_it() {
    let model = model();
    let ids = ids(40);
    let mut cache = filled(&model, PositionPolicy::Rerotate, &ids);
    let text = model.joint_embed(&ids[10..15], None).unwrap();
    model.evict(&mut cache, &[EvictionPiece::Tokens(text), EvictionPiece::Keep(30..40)]).unwrap();
    let fresh = filled(&model, PositionPolicy::Rerotate, &[&ids[10..15], &ids[30..40]].concat());
    assert_eq!(cache.len(), 15);
    assert!(max_difference(&cache.keys(0).unwrap(), &fresh.keys(0).unwrap()) < TOLERANCE);
}

#[test]
fn a_chunk_too_many_changes_nothing() {
    let model = model();
    let mut cache = model.new_cache(16, PositionPolicy::Rerotate).unwrap();
    put(&model, &mut cache, &ids(10));
    let before = cache.keys(0).unwrap();
    let error = model.prefill(&model.joint_embed(&ids(7), None).unwrap(), &mut cache).unwrap_err();
    assert!(matches!(error, ModelError::CacheFull { incoming: 7, cached: 10, capacity: 16 }));
    assert_eq!(cache.keys(0).unwrap(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_cache_never_passes_its_bound(steps in prop::collection::vec((0usize..3, 1usize..30), 1..20)) {
        let model = model();
        let mut cache = model.new_cache(48, PositionPolicy::Rerotate).unwrap();
        for (step, size) in steps {
            let before = cache.len();
            match step {
                0 => {
                    let outcome = model.prefill(&model.joint_embed(&ids(size), None).unwrap(), &mut cache);
                    prop_assert_eq!(outcome.is_ok(), before + size <= 48);
                }
                1 => cache.truncate(size),
                _ => {
                    let start = size.min(before);
                    let kept = (start..before).len();
                    let pieces = if kept > 0 { vec![EvictionPiece::Keep(start..before)] } else { vec![] };
                    model.evict(&mut cache, &pieces).unwrap();
                    prop_assert_eq!(cache.len(), kept);
                }
            }
            prop_assert!(cache.len() <= cache.capacity());
            prop_assert_eq!(cache.positions().len(), cache.len());
        }
    }
}
