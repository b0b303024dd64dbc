//! Several streams in one pass: every stream gets the same results as alone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::sync::LazyLock;

use common::{Scratch, contents, folder, max_difference, put};
use proptest::prelude::*;
use prospect_context::PositionPolicy;
use prospect_model::{
    Answers, CacheType, Choice, ComputeType, Embeddings, EvictionPiece, Found, Input, Kernels, KvCache,
    ModelConfig, ModelError, Part, PixelValues, Placement, Precisions, SmolVlm, Wanted,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::json;

const POLICIES: [PositionPolicy; 4] =
    [PositionPolicy::Rerotate, PositionPolicy::Preserve, PositionPolicy::Legacy, PositionPolicy::Recompute];
const CAPACITY: usize = 260;

/// An answer that owns its data.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Logits(Vec<f32>),
    Choice(Choice),
    Likeliest(u32),
}

impl From<Found<'_>> for Told {
    fn from(found: Found<'_>) -> Self {
        match found {
            Found::Logits(logits) => Self::Logits(logits.to_vec()),
            Found::Choice(choice) => Self::Choice(choice),
            Found::Likeliest(id) => Self::Likeliest(id),
        }
    }
}

/// Random weights whose widths are no multiples of any kernel size, and large enough that even a few
/// rows are split over threads.
fn random(precisions: Precisions) -> SmolVlm {
    let text = std::fs::read_to_string(folder("gqa-untied").join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
    config["text_config"]["hidden_size"] = json!(200);
    config["text_config"]["intermediate_size"] = json!(1130);
    config["text_config"]["num_attention_heads"] = json!(10);
    config["text_config"]["num_key_value_heads"] = json!(2);
    config["text_config"]["head_dim"] = json!(20);
    config["text_config"]["num_hidden_layers"] = json!(3);
    let config = ModelConfig::parse(&config.to_string(), Path::new("config.json")).unwrap();
    SmolVlm::random(config, precisions).unwrap()
}

/// Models in f32, in f32 with a bf16 cache, and in int8, with random and with golden weights.
static MODELS: LazyLock<Vec<SmolVlm>> = LazyLock::new(|| {
    let bf16 = Precisions { kv_cache: CacheType::Bf16, ..Precisions::EXACT };
    let load = |name, precisions: Precisions| SmolVlm::load_with(&folder(name), precisions).unwrap();
    vec![
        random(Precisions::EXACT),
        random(bf16),
        random(Precisions::Q8),
        load("gqa-tied", Precisions::Q8),
        load("mha-untied-sharded", bf16),
    ]
});

static POOLS: LazyLock<Vec<ThreadPool>> = LazyLock::new(|| {
    [1, 2, 5].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap()).into()
});

/// A stream before the pass, and its input.
#[derive(Debug, Clone)]
struct Stream {
    policy: PositionPolicy,
    /// Tokens in the cache before, and whether some were evicted from the middle.
    cached: usize,
    evicted: bool,
    /// A single token may go in as a token or as a chunk.
    tokens: usize,
    as_chunk: bool,
    wanted: Wanted,
}

fn stream() -> impl Strategy<Value = Stream> {
    let wanted = prop_oneof![
        Just(Wanted::Logits),
        Just(Wanted::Likeliest),
        (0_u32..420).prop_map(|silence| Wanted::Choice { silence })
    ];
    let tokens = prop_oneof![3 => Just(1_usize), 2 => 2_usize..40];
    let policy = prop::sample::select(&POLICIES[..]);
    (policy, 0_usize..150, any::<bool>(), tokens, any::<bool>(), wanted).prop_map(
        |(policy, cached, evicted, tokens, as_chunk, wanted)| Stream {
            policy,
            cached,
            evicted,
            tokens,
            as_chunk,
            wanted,
        },
    )
}

fn ids(count: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|index| ((index * 37 + seed * 101) % 410) as u32).collect()
}

impl Stream {
    fn cache(&self, model: &SmolVlm, seed: usize) -> KvCache {
        let mut cache = model.new_cache(CAPACITY, self.policy).unwrap();
        if self.cached > 0 {
            put(model, &mut cache, &ids(self.cached, seed));
        }
        if self.evicted && self.cached > 4 {
            let pieces = [0..self.cached / 4, self.cached / 2..self.cached].map(EvictionPiece::Keep);
            model.evict(&mut cache, &pieces).unwrap();
        }
        cache
    }

    fn input<'a>(&self, chunk: &'a Embeddings, ids: &[u32]) -> Input<'a> {
        match ids {
            [id] if !self.as_chunk => Input::Word(*id),
            _ => Input::Chunk(chunk),
        }
    }
}

/// Runs two rounds of all streams, one by one or in one pass. Returns the answers and the caches.
fn rounds(model: &SmolVlm, streams: &[Stream], together: bool) -> (Vec<Told>, Vec<KvCache>) {
    let mut caches: Vec<KvCache> =
        (0..).zip(streams).map(|(seed, stream)| stream.cache(model, seed)).collect();
    let (mut told, mut answers, mut logits) = (Vec::new(), Answers::new(), Vec::new());
    for round in 0..2 {
        let words: Vec<Vec<u32>> =
            (0..).zip(streams).map(|(seed, stream)| ids(stream.tokens, seed + 50 * round + 7)).collect();
        let chunks: Vec<Embeddings> = words.iter().map(|ids| model.embed_words(ids).unwrap()).collect();
        let inputs =
            streams.iter().zip(&chunks).zip(&words).map(|((stream, chunk), ids)| stream.input(chunk, ids));
        let wanted = streams.iter().map(|stream| stream.wanted);
        let parts =
            inputs.zip(wanted).zip(&mut caches).map(|((input, wanted), cache)| Part { input, wanted, cache });
        let mut parts: Vec<Part<'_>> = parts.collect();
        if together {
            model.pass(&mut parts, &mut answers).unwrap();
            told.extend(answers.drain().map(|found| Told::from(found.unwrap())));
        } else {
            for Part { input, wanted, cache } in parts {
                told.push(Told::from(model.put(input, cache, wanted, &mut logits).unwrap()));
            }
        }
    }
    (told, caches)
}

fn same_bits(one: &Told, other: &Told) -> bool {
    let bits = |told: &Told| match told {
        Told::Logits(logits) => logits.iter().map(|logit| logit.to_bits()).collect(),
        Told::Choice(choice) => vec![choice.likeliest, choice.other, choice.silence.to_bits()],
        Told::Likeliest(id) => vec![*id],
    };
    bits(one) == bits(other)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law: a stream's trace is the same alone and with other streams, with one thread and with many.
    #[test]
    fn a_part_is_what_it_is_alone_to_the_bit(
        streams in prop::collection::vec(stream(), 1..12),
        words in any::<bool>(),
        model in 0_usize..5,
        pools in (0_usize..3, 0_usize..3),
    ) {
        let model = &MODELS[model];
        // With so few rows, products are split by outputs.
        let tokens = |stream: Stream| if words { Stream { tokens: 1, ..stream } } else { stream };
        let streams: Vec<Stream> = streams.into_iter().map(tokens).collect();
        let (alone, caches) = POOLS[pools.0].install(|| rounds(model, &streams, false));
        let (among, others) = POOLS[pools.1].install(|| rounds(model, &streams, true));
        for (index, (alone, among)) in alone.iter().zip(&among).enumerate() {
            prop_assert!(same_bits(alone, among), "{index}: {alone:?}, among others {among:?}");
        }
        for (cache, other) in caches.iter().zip(&others) {
            prop_assert_eq!(cache.positions(), other.positions());
            prop_assert_eq!(cache.next_position(), other.next_position());
            let bits = |cache| contents(model, cache).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            prop_assert!(bits(cache) == bits(other));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// For other numbers of rows, the tensor library sums in another order.
    #[test]
    fn over_tensors_a_part_is_about_what_it_is_alone(
        streams in prop::collection::vec(stream(), 1..6), sixteen in any::<bool>(),
    ) {
        let (dtype, near) = if sixteen { (ComputeType::Bf16, 0.1) } else { (ComputeType::F32, 1e-4) };
        let placement = Placement { dtype, kernels: Kernels::Plain, ..Placement::default() };
        let model = SmolVlm::load_with(&folder("gqa-untied"), placement).unwrap();
        let logits = streams.into_iter().map(|stream| Stream { wanted: Wanted::Logits, ..stream });
        let logits: Vec<_> = logits.collect();
        let (alone, caches) = rounds(&model, &logits, false);
        let (among, others) = rounds(&model, &logits, true);
        for (alone, among) in alone.iter().zip(&among) {
            let (Told::Logits(alone), Told::Logits(among)) = (alone, among) else { panic!("no logits") };
            prop_assert!(max_difference(alone, among) < near);
        }
        for (cache, other) in caches.iter().zip(&others) {
            prop_assert_eq!(cache.positions(), other.positions());
            prop_assert!(max_difference(&contents(&model, cache), &contents(&model, other)) < near);
        }
        if !sixteen {
            let asked: Vec<_> = logits.into_iter().map(|stream| Stream { wanted: Wanted::Likeliest, ..stream }).collect();
            prop_assert_eq!(rounds(&model, &asked, false).0, rounds(&model, &asked, true).0);
        }
    }
}

/// A model in which token 7 makes all results NaN.
fn with_a_bad_word(kernels: Kernels) -> SmolVlm {
    let scratch =
        Scratch::copy("gqa-untied").tensor("model.text_model.embed_tokens.weight", |shape, bytes| {
            let row = bytes.len() / shape[0];
            bytes[7 * row..7 * row + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        });
    SmolVlm::load_with(scratch.path("").as_path(), Placement { kernels, ..Placement::default() }).unwrap()
}

#[test]
fn an_error_of_a_part_is_its_own() {
    for kernels in [Kernels::Best, Kernels::Plain] {
        let model = with_a_bad_word(kernels);
        let nothing = model.joint_embed(&[], None).unwrap();
        let long = model.joint_embed(&ids(20, 3).iter().map(|id| id + 8).collect::<Vec<_>>(), None).unwrap();
        let inputs = [
            Input::Word(11),
            Input::Word(7),
            Input::Word(424),
            Input::Chunk(&nothing),
            Input::Chunk(&long),
            Input::Word(12),
        ];
        let cache = || {
            let mut cache = model.new_cache(12, PositionPolicy::Rerotate).unwrap();
            put(&model, &mut cache, &[8, 9, 10]);
            cache
        };
        let mut caches: Vec<KvCache> = inputs.iter().map(|_| cache()).collect();
        let before = contents(&model, &caches[0]);
        let parts = inputs.iter().zip(&mut caches);
        let mut parts: Vec<_> =
            parts.map(|(input, cache)| Part { input: *input, wanted: Wanted::Logits, cache }).collect();
        let mut answers = Answers::new();
        model.pass(&mut parts, &mut answers).unwrap();
        let told: Vec<_> = answers.drain().map(|found| found.map(Told::from)).collect();
        assert!(matches!(told[1], Err(ModelError::NonFiniteLogits { value, .. }) if value.is_nan()));
        assert!(matches!(told[2], Err(ModelError::TokenId { id: 424, vocab_size: 424 })));
        assert!(matches!(told[3], Err(ModelError::EmptyChunk)));
        assert!(matches!(told[4], Err(ModelError::CacheFull { incoming: 20, cached: 3, capacity: 12 })));
        for failed in &caches[1..5] {
            assert_eq!((failed.len(), failed.next_position()), (3, 3));
            assert_eq!(contents(&model, failed), before);
        }
        for (index, id) in [(0, 11), (5, 12)] {
            let mut alone = Vec::new();
            model.decode_into(id, &mut cache(), &mut alone).unwrap();
            let Ok(Told::Logits(among)) = &told[index] else { panic!("{:?}", told[index]) };
            assert!(max_difference(&alone, among) < 1e-5);
            assert_eq!(caches[index].len(), 4);
        }
    }
}

#[test]
fn a_position_past_the_maximum_is_one_parts_error() {
    let scratch = Scratch::copy("gqa-tied").config(|config| {
        config["text_config"]["max_position_embeddings"] = json!(16);
    });
    let model = scratch.load().unwrap();
    let mut caches = [10, 16].map(|tokens| {
        let mut cache = model.new_cache(32, PositionPolicy::Rerotate).unwrap();
        put(&model, &mut cache, &vec![3; tokens]);
        cache
    });
    let parts =
        caches.iter_mut().map(|cache| Part { input: Input::Word(5), wanted: Wanted::Likeliest, cache });
    let (mut parts, mut answers) = (parts.collect::<Vec<_>>(), Answers::new());
    model.pass(&mut parts, &mut answers).unwrap();
    let told: Vec<_> = answers.drain().map(|found| found.map(Told::from)).collect();
    assert!(told[0].is_ok());
    assert!(matches!(told[1], Err(ModelError::Position { position: 16, max: 15 })));
    assert_eq!(caches.map(|cache| cache.len()), [11, 16]);
}

/// One image per stream, with different numbers of tiles.
#[test]
fn frames_of_several_streams_are_what_they_are_alone() {
    let placement = Placement { kernels: Kernels::Plain, ..Placement::default() };
    let tensors = SmolVlm::load_with(&folder("gqa-tied"), placement).unwrap();
    for (model, near) in [(&MODELS[3], 0.0), (&MODELS[2], 0.0), (&tensors, 1e-4)] {
        let side = model.config().vision_config.image_size;
        let pixels: Vec<f32> = (0..6 * 3 * side * side).map(|index| (index as f32 * 0.013).sin()).collect();
        let image = |tiles: std::ops::Range<usize>| PixelValues {
            values: &pixels[tiles.start * 3 * side * side..tiles.end * 3 * side * side],
            tiles: tiles.len(),
            height: side,
            width: side,
        };
        let images = [image(0..1), image(1..4), image(4..6)];
        let together = model.encode_images(&images).unwrap();
        assert_eq!(together.len(), images.len());
        for (image, together) in images.iter().zip(&together) {
            let (alone, together) = (model.encode_image(*image).unwrap(), together.to_vec().unwrap());
            assert!(max_difference(&alone.to_vec().unwrap(), &together) <= near);
        }
        // On the CPU one call for all tiles gives the same bits too.
        let whole = model.encode_image(image(0..6)).unwrap().to_vec().unwrap();
        let apart: Vec<f32> = together.iter().flat_map(|image| image.to_vec().unwrap()).collect();
        assert!(max_difference(&whole, &apart) <= near);
        let damaged = PixelValues { height: side + 1, ..images[1] };
        assert!(matches!(model.encode_images(&[images[0], damaged]), Err(ModelError::Pixels { .. })));
        assert!(model.encode_images(&[]).unwrap().is_empty());
    }
}

#[test]
fn nothing_is_a_pass_too() {
    let mut answers = Answers::new();
    MODELS[0].pass(&mut [], &mut answers).unwrap();
    assert_eq!(answers.drain().count(), 0);
}
