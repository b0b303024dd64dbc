//! Features that only a GPU has: attention over the cache in one kernel, a decode step as one graph,
//! and images in parallel with tokens. They run on a GPU or on the CPU stand-in of
//! `cargo xtask cuda-test`.
#![cfg(feature = "flash-attn")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use common::{Scratch, contents, folder, relative_norm};
use prospect_context::PositionPolicy;
use prospect_model::{
    ComputeDevice, ComputeType, EvictionPiece, ImageEmbeddings, ImageEncoder, Kernels, KvCache, ModelConfig,
    ModelError, PixelValues, Placement, SmolVlm,
};
use serde_json::json;

/// Largest relative difference between two ways to compute the same in bf16 with random weights.
const NEAR: f64 = 5e-2;

/// Three query heads per key head, all of size 64, and vision heads of size `vision_head`.
fn config(vision_head: usize) -> ModelConfig {
    let scratch = Scratch::copy("mha-untied-sharded").config(|config| {
        config["text_config"]["num_attention_heads"] = json!(6);
        config["vision_config"]["hidden_size"] = json!(2 * vision_head);
    });
    ModelConfig::from_dir(&scratch.path("")).unwrap()
}

fn model(kernels: Kernels) -> SmolVlm {
    let (device, dtype) = (ComputeDevice::Cuda(0), ComputeType::Bf16);
    SmolVlm::random(config(64), Placement { device, dtype, kernels, ..Placement::default() }).unwrap()
}

fn reference() -> SmolVlm {
    SmolVlm::random(config(64), Placement::default()).unwrap()
}

fn ids(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|index| ((index * 37 + seed * 101) % 400) as u32).collect()
}

fn pixels(side: usize, seed: usize) -> Vec<f32> {
    (0..3 * side * side).map(|index| ((index + seed * 977) as f32 * 0.013).sin()).collect()
}

fn put(model: &SmolVlm, cache: &mut KvCache, ids: &[u32]) {
    model.prefill(&model.embed_words(ids).unwrap(), cache).unwrap();
}

/// The likeliest token after each of these.
fn say(model: &SmolVlm, cache: &mut KvCache, ids: &[u32]) -> Vec<u32> {
    ids.iter().map(|id| model.decode_likeliest(*id, cache, &mut Vec::new()).unwrap()).collect()
}

/// A stream that passes 256 slots, is evicted and passes them again. Its cache ends in the middle of a
/// block.
fn stream(model: &SmolVlm, policy: PositionPolicy) -> (Vec<u32>, Vec<f32>) {
    let mut cache = model.new_cache(300, policy).unwrap();
    put(model, &mut cache, &ids(240, 1));
    let mut said = say(model, &mut cache, &ids(60, 2));
    assert_eq!(cache.len(), cache.capacity());
    assert!(matches!(
        model.decode_likeliest(1, &mut cache, &mut Vec::new()),
        Err(ModelError::CacheFull { .. })
    ));
    model.evict(&mut cache, &[EvictionPiece::Keep(0..10), EvictionPiece::Keep(60..300)]).unwrap();
    said.extend(say(model, &mut cache, &ids(10, 3)));
    put(model, &mut cache, &ids(5, 4));
    said.extend(say(model, &mut cache, &ids(6, 5)));
    // The cache is truncated in the middle of the decoded tokens.
    cache.truncate(cache.len() - 3);
    said.extend(say(model, &mut cache, &ids(4, 6)));
    (said, contents(model, &cache))
}

#[test]
fn a_stream_is_what_it_is_on_the_cpu() {
    let models = [Kernels::Best, Kernels::Graph].map(model);
    for policy in [
        PositionPolicy::Rerotate,
        PositionPolicy::Preserve,
        PositionPolicy::Legacy,
        PositionPolicy::Recompute,
    ] {
        let (_, expected) = stream(&reference(), policy);
        let [best, graph] = [&models[0], &models[1]].map(|model| stream(model, policy));
        for (_, found) in [&best, &graph] {
            let off = relative_norm(found, &expected);
            assert!(off < NEAR, "{policy:?}: off by {off}");
        }
        let off = relative_norm(&graph.1, &best.1);
        assert!(off < NEAR / 5.0, "{policy:?}: a graph is off by {off}");
        let different = graph.0.iter().zip(&best.0).filter(|(graph, best)| graph != best).count();
        assert!(different <= 2, "{policy:?}: {different} of {} words", best.0.len());
    }
}

/// A graph refers to a cache by address, so each cache has its own graph.
#[test]
fn graphs_of_several_caches_keep_apart() {
    let [best, graph] = [Kernels::Best, Kernels::Graph].map(model);
    let begun = |model: &SmolVlm, seed| {
        let mut cache = model.new_cache(64, PositionPolicy::Rerotate).unwrap();
        put(model, &mut cache, &ids(8, seed));
        cache
    };
    let words = |seed| ids(12, seed + 10);
    let check = |cache: &KvCache, said: &[u32], seed| {
        let mut expected = begun(&best, seed);
        let different =
            say(&best, &mut expected, &words(seed)).iter().zip(said).filter(|(a, b)| a != b).count();
        let off = relative_norm(&contents(&graph, cache), &contents(&best, &expected));
        assert!(different <= 1 && off < NEAR / 5.0, "cache {seed}: {different} words, off by {off}");
    };
    let mut caches: Vec<KvCache> = (0..3).map(|seed| begun(&graph, seed)).collect();
    let mut said = vec![Vec::new(); 3];
    for word in 0..12 {
        for (seed, cache) in caches.iter_mut().enumerate() {
            said[seed].extend(say(&graph, cache, &words(seed)[word..=word]));
        }
    }
    for (seed, cache) in caches.iter().enumerate() {
        check(cache, &said[seed], seed);
    }
    // The next cache gets their memory.
    drop(caches);
    let mut next = begun(&graph, 3);
    let said = say(&graph, &mut next, &words(3));
    check(&next, &said, 3);

    let error = model(Kernels::Graph).decode_likeliest(1, &mut next, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("belongs to that model"), "{error}");
    let error = best.prefill(&best.embed_words(&[1]).unwrap(), &mut next).unwrap_err();
    assert!(error.to_string().contains("belongs to that model"), "{error}");
}

/// A thread encodes images while tokens are decoded. Each image is taken in turn, some of them twice.
#[test]
fn images_that_are_encoded_beside_words_are_the_same() {
    let side = config(64).vision_config.image_size;
    let images: Vec<Vec<f32>> = (0..6).map(|seed| pixels(side, seed)).collect();
    let images: Vec<PixelValues<'_>> =
        images.iter().map(|values| PixelValues { values, tiles: 1, height: side, width: side }).collect();
    for kernels in [Kernels::Best, Kernels::Graph] {
        let model = Arc::new(model(kernels));
        let image_token = model.config().image_token_id;
        let see = |image: &ImageEmbeddings, index: usize, cache: &mut KvCache| {
            let ids_of_image = vec![image_token; image.tokens()];
            model.prefill(&model.joint_embed(&ids_of_image, Some(image)).unwrap(), cache).unwrap();
            say(&model, cache, &ids(4, index));
        };
        let times = |index: usize| 0..=(index % 2);

        let mut in_turn = model.new_cache(300, PositionPolicy::Rerotate).unwrap();
        for (index, image) in images.iter().enumerate() {
            let image = model.encode_image(*image).unwrap();
            times(index).for_each(|_| see(&image, index, &mut in_turn));
        }

        let mut beside = model.new_cache(300, PositionPolicy::Rerotate).unwrap();
        let encoder = ImageEncoder::new(Arc::clone(&model), 1).unwrap();
        let (sender, receiver) = sync_channel(1);
        std::thread::scope(|scope| {
            let images = &images;
            scope.spawn(move || {
                images.iter().for_each(|image| sender.send(encoder.encode(*image).unwrap()).unwrap());
            });
            for (index, encoded) in receiver.into_iter().enumerate() {
                times(index).for_each(|_| see(&model.take_image(&encoded).unwrap(), index, &mut beside));
            }
        });
        assert_eq!(contents(&model, &beside), contents(&model, &in_turn), "{kernels:?}");
    }
}

#[test]
fn vision_heads_of_64_and_72_are_what_they_are_on_the_cpu() {
    for vision_head in [64, 72] {
        let config = config(vision_head);
        let side = config.vision_config.image_size;
        let image = [pixels(side, 1), pixels(side, 2)].concat();
        let pixels = PixelValues { values: &image, tiles: 2, height: side, width: side };
        let load = |placement| SmolVlm::random(config.clone(), placement).unwrap();
        let encoded = |model: &SmolVlm| model.encode_image(pixels).unwrap().to_vec().unwrap();
        let expected = encoded(&load(Placement::default()));
        for dtype in [ComputeType::Bf16, ComputeType::F16] {
            let on_gpu = Placement { device: ComputeDevice::Cuda(0), dtype, ..Placement::default() };
            let off = relative_norm(&encoded(&load(on_gpu)), &expected);
            assert!(off < NEAR, "heads of {vision_head} in {dtype:?}: off by {off}");
        }
    }
}

#[test]
fn a_graph_needs_heads_that_there_is_a_kernel_for() {
    let (device, dtype, kernels) = (ComputeDevice::Cuda(0), ComputeType::F16, Kernels::Graph);
    let placement = Placement { device, dtype, kernels, ..Placement::default() };
    let error = SmolVlm::load_with(&folder("gqa-tied"), placement).err().unwrap();
    assert!(matches!(error, ModelError::Unsupported { what: "a graph of a word", .. }), "{error}");
}
