//! The passes over tensors against `transformers` and against our own CPU kernels. They run on the CPU,
//! or in a build for GPUs on a GPU or on the CPU stand-in of `cargo xtask cuda-test`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{
    CHECKPOINTS, Eviction, OneShot, TOLERANCE, cache, contents, folder, load, max_difference, put,
    relative_norm,
};
use prospect_context::PositionPolicy;
use prospect_model::{
    Choice, ComputeDevice, ComputeType, EvictionPiece, Generator, Kernels, ModelError, Placement, Sampling,
    SmolVlm,
};

/// The 16-bit types, and the largest allowed difference. The weights are random, which makes the effect
/// of rounding ten times as large as with trained weights. In the cases below `transformers` differs by
/// at most 4.7e-3 in f16 and 4.1e-2 in bf16.
const TYPES: [(ComputeType, f64); 2] = [(ComputeType::F16, 7e-3), (ComputeType::Bf16, 5.6e-2)];

/// The kernels to test. On the CPU: operations of the tensor library. In a build for GPUs also our own
/// kernels, and, if the heads have a supported size, a decode step as one graph.
fn kernels(name: &str) -> &'static [Kernels] {
    match (cfg!(feature = "cuda"), cfg!(feature = "flash-attn") && name == "mha-untied-sharded") {
        (false, _) => &[Kernels::Plain],
        (true, false) => &[Kernels::Plain, Kernels::Best],
        (true, true) => &[Kernels::Plain, Kernels::Best, Kernels::Graph],
    }
}

const DEVICE: ComputeDevice =
    if cfg!(feature = "cuda") { ComputeDevice::Cuda(0) } else { ComputeDevice::Cpu };

fn placement(dtype: ComputeType, kernels: Kernels) -> Placement {
    Placement { device: DEVICE, dtype, kernels, ..Placement::default() }
}

fn plain(name: &str, dtype: ComputeType) -> SmolVlm {
    SmolVlm::load_with(&folder(name), placement(dtype, Kernels::Plain)).unwrap()
}

/// A checkpoint in every 16-bit type and with all kernels, each with the largest allowed difference.
fn in_sixteen_bits(name: &str) -> impl Iterator<Item = (SmolVlm, f64, String)> {
    let each = TYPES
        .iter()
        .flat_map(move |(dtype, near)| kernels(name).iter().map(move |kernels| (*dtype, *near, *kernels)));
    each.map(move |(dtype, near, kernels)| {
        let model = SmolVlm::load_with(&folder(name), placement(dtype, kernels)).unwrap();
        (model, near, format!("{name} in {dtype:?} by {kernels:?}"))
    })
}

#[test]
fn f32_equals_the_reference() {
    for name in CHECKPOINTS {
        let model = plain(name, ComputeType::F32);
        let vocab = model.config().text_config.vocab_size;
        for case in OneShot::read(name) {
            if let Some(images) = &case.images {
                let vision = max_difference(&model.vision_output(images.values()).unwrap(), &images.vision);
                let connector = model.encode_image(images.values()).unwrap().to_vec().unwrap();
                let connector = max_difference(&connector, &images.connector);
                assert!(vision < TOLERANCE && connector < TOLERANCE, "{name} {}", case.name);
            }
            let logits = case.logits_of(&model);
            let difference = max_difference(&logits[case.logits_from * vocab..], &case.logits);
            assert!(difference < TOLERANCE, "{name} {}: logits off by {difference}", case.name);
        }
    }
}

#[test]
fn sixteen_bits_are_near_the_reference() {
    for (model, near, what) in CHECKPOINTS.into_iter().flat_map(in_sixteen_bits) {
        let vocab = model.config().text_config.vocab_size;
        for case in OneShot::read(what.split(' ').next().unwrap()) {
            if let Some(images) = &case.images {
                let vision = relative_norm(&model.vision_output(images.values()).unwrap(), &images.vision);
                println!("{what}, {}: vision within {vision:.1e}", case.name);
                assert!(vision < near, "{what}, {}: vision off by {vision}", case.name);
            }
            let logits = relative_norm(&case.logits_of(&model)[case.logits_from * vocab..], &case.logits);
            println!("{what}, {}: logits within {logits:.1e}", case.name);
            assert!(logits < near, "{what}, {}: logits off by {logits}", case.name);
        }
    }
}

/// The same tokens, decoded one by one and as one chunk.
#[test]
fn words_are_what_they_are_in_a_chunk() {
    let golden = Eviction::read("gqa-tied");
    let (ids, next) = golden.ids.split_at(golden.ids.len() / 2);
    for (model, near, what) in ["gqa-tied", "mha-untied-sharded"].into_iter().flat_map(in_sixteen_bits) {
        for policy in [PositionPolicy::Rerotate, PositionPolicy::Recompute] {
            let new_cache = || model.new_cache(64, policy).unwrap();
            let (mut together, mut apart) = (new_cache(), new_cache());
            put(&model, &mut together, ids);
            let chunk = model.embed_words(next).unwrap();
            let expected = model.prefill_all_logits(&chunk, &mut together).unwrap();
            put(&model, &mut apart, ids);
            let mut logits = Vec::new();
            for (id, expected) in next.iter().zip(&expected) {
                model.decode_into(*id, &mut apart, &mut logits).unwrap();
                let off = relative_norm(&logits, expected);
                assert!(off < near, "{what}: {off}");
                apart.truncate(apart.len() - 1);
                let likeliest = model.decode_likeliest(*id, &mut apart, &mut Vec::new()).unwrap();
                assert_eq!(likeliest, Choice::of(&logits, u32::MAX).likeliest, "{what}");
            }
            let off = relative_norm(&contents(&model, &apart), &contents(&model, &together));
            assert!(off < near, "{what}: {off}");
        }
    }
}

#[test]
fn what_a_device_says_of_the_next_word_is_what_its_logits_say() {
    for (model, _, what) in ["gqa-untied", "mha-untied-sharded"].into_iter().flat_map(in_sixteen_bits) {
        for case in OneShot::read(what.split(' ').next().unwrap()) {
            let (chunk, mut first) = (case.chunk(&model), cache(&model));
            let logits = model.prefill(&chunk, &mut first).unwrap();
            for silence in [Choice::of(&logits, u32::MAX).likeliest, 7, u32::MAX] {
                let (mut second, expected) = (cache(&model), Choice::of(&logits, silence));
                let found = model.prefill_choice(&chunk, &mut second, silence, &mut Vec::new()).unwrap();
                assert_eq!((found.likeliest, found.other), (expected.likeliest, expected.other), "{what}");
                assert!((found.silence - expected.silence).abs() < 1e-5, "{what}");
                assert_eq!(second.len(), first.len());
            }
        }
    }
}

#[test]
fn the_choice_on_the_device_is_the_references() {
    for name in CHECKPOINTS {
        let model = plain(name, ComputeType::F32);
        for case in OneShot::read(name) {
            let mut generator = Generator::new(u32::MAX, Sampling::Greedy);
            let (chunk, tokens) = (case.chunk(&model), case.greedy_ids.len());
            let generated = generator.generate(&model, &chunk, &mut cache(&model), None, tokens).unwrap();
            assert_eq!(generated.token_ids, case.greedy_ids, "{name} {}", case.name);
        }
    }
}

#[test]
fn an_eviction_leaves_what_our_kernels_leave() {
    for name in CHECKPOINTS {
        let golden = Eviction::read(name);
        let pieces: Vec<_> = golden.kept.iter().cloned().map(EvictionPiece::Keep).collect();
        for policy in [
            PositionPolicy::Rerotate,
            PositionPolicy::Preserve,
            PositionPolicy::Legacy,
            PositionPolicy::Recompute,
        ] {
            let evicted = |model: &SmolVlm| {
                let mut cache = model.new_cache(64, policy).unwrap();
                put(model, &mut cache, &golden.ids);
                model.evict(&mut cache, &pieces).unwrap();
                // The next tokens read the whole cache.
                let logits = put(model, &mut cache, &golden.ids[..4]);
                (contents(model, &cache), logits)
            };
            let (expected, f32) = (evicted(&load(name)), evicted(&plain(name, ComputeType::F32)));
            let off = max_difference(&f32.0, &expected.0).max(max_difference(&f32.1, &expected.1));
            assert!(off < TOLERANCE, "{name} {policy:?}: off by {off}");
            for (model, near, what) in in_sixteen_bits(name) {
                let other = evicted(&model);
                let off = relative_norm(&other.0, &expected.0).max(relative_norm(&other.1, &expected.1));
                println!("{what}, {policy:?}: within {off:.1e}");
                assert!(off < near, "{what}, {policy:?}: off by {off}");
            }
        }
    }
}

#[test]
fn keys_that_are_turned_again_and_again_keep_their_length() {
    let model = plain("gqa-tied", ComputeType::F16);
    let golden = Eviction::read("gqa-tied");
    let mut cache = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
    put(&model, &mut cache, &golden.ids);
    let squares = |cache: &prospect_model::KvCache| {
        cache.keys(0).unwrap().iter().map(|key| f64::from(*key).powi(2)).sum::<f64>()
    };
    // The last tokens are rotated to the front and back again, as other tokens are inserted before
    // them.
    model.evict(&mut cache, &[EvictionPiece::Keep(1..9)]).unwrap();
    let before = squares(&cache);
    for _ in 0..50 {
        let words = model.embed_words(&golden.ids[..1]).unwrap();
        model.evict(&mut cache, &[EvictionPiece::Tokens(words), EvictionPiece::Keep(0..8)]).unwrap();
        model.evict(&mut cache, &[EvictionPiece::Keep(1..9)]).unwrap();
    }
    let after = squares(&cache);
    assert!((after / before - 1.0).abs() < 1e-2, "{before} became {after}");
}

#[test]
fn a_logit_that_is_not_finite_is_found_on_the_device() {
    let broken =
        common::Scratch::copy("mha-untied-sharded").tensor("model.text_model.norm.weight", |_, bytes| {
            // 0xFF bytes are NaN in every type.
            bytes[..4].fill(0xff);
        });
    for (dtype, kernels) in [(ComputeType::F32, Kernels::Plain)]
        .into_iter()
        .chain(kernels("mha-untied-sharded").iter().map(|kernels| (ComputeType::F16, *kernels)))
    {
        let model = SmolVlm::load_with(&broken.path(""), placement(dtype, kernels)).unwrap();
        let mut cache = cache(&model);
        let word = model.embed_words(&[3]).unwrap();
        for error in [
            model.decode_likeliest(3, &mut cache, &mut Vec::new()).unwrap_err(),
            model.prefill_choice(&word, &mut cache, 5, &mut Vec::new()).unwrap_err(),
        ] {
            assert!(matches!(error, ModelError::NonFiniteLogits { .. }), "{error}");
            assert!(cache.is_empty());
        }
    }
}

#[test]
fn what_a_machine_cannot_do_is_refused_in_one_line() {
    let load = |placement| SmolVlm::load_with(&folder("gqa-tied"), placement).err().unwrap();
    let error = load(Placement { kernels: Kernels::Graph, ..Placement::default() });
    assert!(matches!(error, ModelError::Unsupported { what: "a graph of a word", .. }), "{error}");
    for dtype in [ComputeType::Bf16, ComputeType::F16] {
        let error = load(Placement { dtype, ..Placement::default() });
        assert!(matches!(error, ModelError::Unsupported { .. }), "{error}");
    }
    // No machine has a GPU with index 4096.
    let error = load(Placement { device: ComputeDevice::Cuda(4096), ..Placement::default() });
    assert!(matches!(error, ModelError::Gpu { .. }), "{error}");
    assert!(!error.is_bad_checkpoint() && error.to_string().lines().count() == 1);
}
