//! Guarantees of the cache: its capacity, its evictions and their positions.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::LazyLock;

use common::{OneShot, TOLERANCE, max_difference, put};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, Generator, KvCache, ModelError, Sampling, SmolVlm, TalkRule};

const POLICIES: [PositionPolicy; 4] =
    [PositionPolicy::Legacy, PositionPolicy::Preserve, PositionPolicy::Rerotate, PositionPolicy::Recompute];

fn model() -> &'static SmolVlm {
    static MODEL: LazyLock<SmolVlm> = LazyLock::new(|| common::load("gqa-tied"));
    &MODEL
}

fn ids(count: usize) -> Vec<u32> {
    (0..count).map(|index| (3 + index * 7 % 400) as u32).collect()
}

fn filled(model: &SmolVlm, policy: PositionPolicy, ids: &[u32]) -> KvCache {
    let mut cache = model.new_cache(128, policy).unwrap();
    put(model, &mut cache, ids);
    cache
}

/// The whole contents of a cache, bit by bit.
fn contents(model: &SmolVlm, cache: &KvCache) -> Vec<u32> {
    let layers = 0..model.config().text_config.num_hidden_layers;
    let sides = layers.flat_map(|layer| [cache.keys(layer).unwrap(), cache.values(layer).unwrap()]);
    sides.flatten().map(f32::to_bits).chain(cache.positions().iter().copied()).collect()
}

#[test]
fn chunks_add_up_to_one_prefill() {
    let model = model();
    let ids = ids(40);
    let mut whole = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    let expected = put(model, &mut whole, &ids);
    let mut cache = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    let mut logits = Vec::new();
    for chunk in [&ids[..13], &ids[13..14], &ids[14..40]] {
        logits = put(model, &mut cache, chunk);
    }
    assert!(max_difference(&logits, &expected) < TOLERANCE);
}

#[test]
fn a_hundred_rerotations_do_not_drift() {
    let model = model();
    let ids = ids(60);
    let mut cache = filled(model, PositionPolicy::Rerotate, &ids[..40]);
    for _ in 0..100 {
        put(model, &mut cache, &ids[40..60]);
        model.evict(&mut cache, &[EvictionPiece::Keep(0..20), EvictionPiece::Keep(40..60)]).unwrap();
    }
    let fresh = filled(model, PositionPolicy::Rerotate, &[&ids[..20], &ids[40..60]].concat());
    assert!(max_difference(&cache.keys(0).unwrap(), &fresh.keys(0).unwrap()) < TOLERANCE);
}

#[test]
fn legacy_and_preserve_keep_rotations_and_differ_in_what_comes_next() {
    let model = model();
    for (policy, next) in [(PositionPolicy::Legacy, 21), (PositionPolicy::Preserve, 40)] {
        let mut cache = filled(model, policy, &ids(40));
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
        put(model, &mut cache, &ids(40));
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
    let mut cache = filled(model, PositionPolicy::Rerotate, &ids);
    let text = model.joint_embed(&ids[10..15], None).unwrap();
    model.evict(&mut cache, &[EvictionPiece::Tokens(text), EvictionPiece::Keep(30..40)]).unwrap();
    let fresh = filled(model, PositionPolicy::Rerotate, &[&ids[10..15], &ids[30..40]].concat());
    assert_eq!(cache.len(), 15);
    assert!(max_difference(&cache.keys(0).unwrap(), &fresh.keys(0).unwrap()) < TOLERANCE);
}

#[test]
fn a_chunk_too_many_changes_nothing() {
    let model = model();
    let mut cache = model.new_cache(16, PositionPolicy::Rerotate).unwrap();
    put(model, &mut cache, &ids(10));
    let before = contents(model, &cache);
    let error = model.prefill(&model.joint_embed(&ids(7), None).unwrap(), &mut cache).unwrap_err();
    assert!(matches!(error, ModelError::CacheFull { incoming: 7, cached: 10, capacity: 16 }));
    assert_eq!(contents(model, &cache), before);
}

#[test]
fn buffers_keep_their_addresses() {
    let model = model();
    for policy in POLICIES {
        let mut cache = model.new_cache(160, policy).unwrap();
        let addresses = cache.buffer_addresses().unwrap();
        assert_eq!(addresses.len(), 2 * model.config().text_config.num_hidden_layers);
        put(model, &mut cache, &ids(40));
        for &id in &ids(100) {
            put(model, &mut cache, &[id]);
            assert_eq!(cache.buffer_addresses().unwrap(), addresses, "{policy:?}, an append");
        }
        cache.truncate(120);
        assert_eq!(cache.buffer_addresses().unwrap(), addresses, "{policy:?}, truncate");
        model.evict(&mut cache, &[EvictionPiece::Keep(0..10), EvictionPiece::Keep(90..120)]).unwrap();
        assert_eq!(cache.buffer_addresses().unwrap(), addresses, "{policy:?}, an eviction");
    }
}

#[test]
fn an_append_leaves_what_is_cached_bit_by_bit() {
    let model = model();
    let mut cache = filled(model, PositionPolicy::Rerotate, &ids(40));
    let before = contents(model, &cache);
    put(model, &mut cache, &ids(30));
    put(model, &mut cache, &ids(1));
    cache.truncate(40);
    assert_eq!(contents(model, &cache), before);
}

#[test]
fn a_fork_leaves_what_is_cached_bit_by_bit() {
    let model = model();
    for policy in POLICIES {
        // After an eviction, slots and positions differ.
        let forked = || {
            let mut cache = filled(model, policy, &ids(60));
            model.evict(&mut cache, &[EvictionPiece::Keep(0..6), EvictionPiece::Keep(30..60)]).unwrap();
            cache
        };
        let (mut cache, mut untouched) = (forked(), forked());
        let length = cache.len();
        let mut generator = Generator::new(u32::MAX, Sampling::Greedy);
        let query = model.joint_embed(&ids(12), None).unwrap();
        let summary = generator.generate(model, &query, &mut cache, None, 20).unwrap();
        assert_eq!((summary.token_ids.len(), cache.len()), (20, length + 12 + 19));
        cache.truncate(length);
        assert_eq!(cache.next_position(), untouched.next_position(), "{policy:?}");
        assert_eq!(contents(model, &cache), contents(model, &untouched), "{policy:?}");
        let next = put(model, &mut cache, &ids(5));
        assert_eq!(next, put(model, &mut untouched, &ids(5)), "{policy:?}");
    }
}

#[test]
fn slots_that_hold_nothing_cannot_be_kept() {
    let model = model();
    let mut cache = filled(model, PositionPolicy::Rerotate, &ids(40));
    let before = contents(model, &cache);
    let error = model.evict(&mut cache, &[EvictionPiece::Keep(30..41)]).unwrap_err();
    assert!(matches!(error, ModelError::KeepRange { start: 30, end: 41, cached: 40 }));
    assert_eq!(contents(model, &cache), before);
}

#[test]
fn empty_pieces_are_no_pieces() {
    let model = model();
    let mut cache = filled(model, PositionPolicy::Rerotate, &ids(40));
    let nothing = model.joint_embed(&[], None).unwrap();
    let pieces = [EvictionPiece::Tokens(nothing), EvictionPiece::Keep(5..5), EvictionPiece::Keep(10..20)];
    model.evict(&mut cache, &pieces).unwrap();
    assert_eq!(cache.len(), 10);
}

/// One step of a stream: frames, replies, summaries on a fork, evictions.
#[derive(Debug, Clone)]
enum Step {
    Prefill(usize),
    Frame,
    Reply(usize),
    Summary(usize, usize),
    Evict(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1usize..30).prop_map(Step::Prefill),
        Just(Step::Frame),
        (0usize..40).prop_map(Step::Reply),
        ((1usize..20), (0usize..40)).prop_map(|(query, answer)| Step::Summary(query, answer)),
        (0usize..48).prop_map(Step::Evict),
    ]
}

/// Does a step and ignores its result.
fn take(model: &SmolVlm, cache: &mut KvCache, generator: &mut Generator, step: &Step) {
    let rule = Some(TalkRule::Fall(0.1));
    let generate = |generator: &mut Generator, cache: &mut KvCache, tokens, answer| {
        drop(generator.generate(model, &model.joint_embed(&ids(tokens), None).unwrap(), cache, rule, answer));
    };
    match *step {
        Step::Prefill(size) => drop(model.prefill(&model.joint_embed(&ids(size), None).unwrap(), cache)),
        Step::Frame => {
            static FRAME: LazyLock<OneShot> = LazyLock::new(|| OneShot::read("gqa-tied").remove(1));
            drop(generator.generate(model, &FRAME.chunk(model), cache, rule, 3));
        }
        Step::Reply(answer) => generate(generator, cache, 1, answer),
        Step::Summary(query, answer) => {
            let length = cache.len();
            generate(generator, cache, query, answer);
            cache.truncate(length);
            assert_eq!(cache.len(), length);
        }
        Step::Evict(start) => {
            let kept = start.min(cache.len())..cache.len();
            model.evict(cache, &[EvictionPiece::Keep(kept.clone())]).unwrap();
            assert_eq!(cache.len(), kept.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_cache_never_passes_its_bound(
        steps in prop::collection::vec(step(), 1..20),
        policy in prop::sample::select(&POLICIES[..]),
    ) {
        let model = model();
        let mut cache = model.new_cache(48, policy).unwrap();
        let mut generator = Generator::new(419, Sampling::Greedy);
        for step in steps {
            take(model, &mut cache, &mut generator, &step);
            prop_assert!(cache.len() <= cache.capacity());
            prop_assert_eq!(cache.positions().len(), cache.len());
        }
    }
}

#[test]
fn a_tail_that_is_taken_out_and_put_back_leaves_no_trace() {
    let (model, all) = (model(), ids(60));
    for policy in POLICIES {
        let mut cache = filled(model, policy, &all[..40]);
        let (before, next) = (contents(model, &cache), cache.next_position());
        let tail = cache.take_tail(25).unwrap();
        assert_eq!((tail.len(), cache.len()), (15, 25));
        // Other tokens follow for a while.
        put(model, &mut cache, &all[40..55]);
        let other = cache.take_tail(25).unwrap();
        cache.put_tail(&tail).unwrap();
        assert_eq!((contents(model, &cache), cache.next_position()), (before, next), "{policy:?}");
        // Afterwards the first tokens follow again, as if nothing had been in between.
        let mut whole = filled(model, policy, &[&all[..25], &all[40..55]].concat());
        let tail = cache.take_tail(25).unwrap();
        cache.put_tail(&other).unwrap();
        let logits = put(model, &mut cache, &all[55..60]);
        assert_eq!(logits, put(model, &mut whole, &all[55..60]), "{policy:?}");
        drop(cache.take_tail(25).unwrap());
        cache.put_tail(&tail).unwrap();
        // A later eviction finds the input embeddings that it needs.
        model.evict(&mut cache, &[EvictionPiece::Keep(0..10), EvictionPiece::Keep(20..40)]).unwrap();
        let mut never = filled(model, policy, &all[..40]);
        model.evict(&mut never, &[EvictionPiece::Keep(0..10), EvictionPiece::Keep(20..40)]).unwrap();
        assert_eq!(contents(model, &cache), contents(model, &never), "{policy:?}");
    }
}

#[test]
fn nothing_is_a_tail_too_and_one_beyond_the_cache_is_none() {
    let model = model();
    let mut cache = filled(model, PositionPolicy::Rerotate, &ids(10));
    let before = contents(model, &cache);
    let tail = cache.take_tail(10).unwrap();
    assert!(tail.is_empty());
    cache.put_tail(&tail).unwrap();
    assert_eq!(contents(model, &cache), before);
    assert!(matches!(cache.take_tail(11), Err(ModelError::KeepRange { start: 11, .. })));
    assert_eq!(contents(model, &cache), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Law: positions increase strictly under every policy except `legacy`, whatever is kept and
    /// wherever text is inserted.
    #[test]
    fn positions_rise_whatever_a_plan_puts_where(
        rounds in prop::collection::vec((prop::collection::vec(0_usize..100, 4), [any::<bool>(); 3], 1_usize..30), 1..4),
        policy in prop::sample::select(&POLICIES[1..]),
    ) {
        let model = model();
        let mut cache = filled(model, policy, &ids(60));
        for (cuts, texts, length) in rounds {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut * cache.len() / 100).collect();
            cuts.sort_unstable();
            let text = || EvictionPiece::Tokens(model.joint_embed(&ids(length.min(128 - cache.len()) / 3), None).unwrap());
            let mut pieces = Vec::new();
            for (range, put) in [Some(cuts[0]..cuts[1]), Some(cuts[2]..cuts[3]), None].into_iter().zip(texts) {
                pieces.extend(put.then(text));
                pieces.extend(range.map(EvictionPiece::Keep));
            }
            model.evict(&mut cache, &pieces).unwrap();
            if cache.len() < 100 {
                put(model, &mut cache, &ids(20));
            }
            prop_assert!(cache.positions().windows(2).all(|pair| pair[0] < pair[1]), "{:?}", cache.positions());
        }
    }
}
