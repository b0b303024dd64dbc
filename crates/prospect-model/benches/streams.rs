//! Measures many streams on one copy of the weights, at the shapes of SmolVLM2-256M with random weights
//! in q8 and two threads: one token of 1 to 16 streams in one pass, over caches of 1,024 tokens; and
//! frames of several streams, in one pass and one by one.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prospect_context::PositionPolicy;
use prospect_model::{Answers, Input, KvCache, ModelConfig, Part, PixelValues, Precisions, SmolVlm, Wanted};

const STREAMS: [usize; 5] = [1, 2, 4, 8, 16];
const CACHED: usize = 1024;
const THREADS: usize = 2;

fn model() -> SmolVlm {
    let text = include_str!("../../../configs/shapes/256m.json");
    SmolVlm::random(ModelConfig::parse(text, Path::new("256m.json")).unwrap(), Precisions::Q8).unwrap()
}

fn filled(model: &SmolVlm) -> KvCache {
    let token = KvCache::zero_token(&model.config().text_config);
    let mut cache = model.new_cache(CACHED + 1, PositionPolicy::Rerotate).unwrap();
    (0..CACHED).for_each(|_| cache.append_zeros(&token).unwrap());
    cache
}

/// Decodes one token of each stream, always behind the same cached tokens.
fn words(model: &SmolVlm, caches: &mut [KvCache], answers: &mut Answers) {
    caches.iter_mut().for_each(|cache| cache.truncate(CACHED));
    let part = |(id, cache)| Part { input: Input::Word(id), wanted: Wanted::Likeliest, cache };
    let mut parts: Vec<Part<'_>> = (3..).zip(caches).map(part).collect();
    model.pass(&mut parts, answers).unwrap();
    assert!(answers.drain().all(|found| found.is_ok()));
}

fn decode(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap();
    let (model, mut answers) = (model(), Answers::new());
    let mut group = criterion.benchmark_group("words of streams (256M, q8, 1,024 cached)");
    group.sample_size(30);
    for streams in STREAMS {
        let mut caches: Vec<_> = (0..streams).map(|_| filled(&model)).collect();
        group.throughput(Throughput::Elements(streams as u64));
        group.bench_function(BenchmarkId::from_parameter(streams), |bencher| {
            bencher.iter(|| pool.install(|| words(&model, &mut caches, &mut answers)));
        });
    }
    group.finish();
}

fn frames(criterion: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build().unwrap();
    let model = model();
    let side = model.config().vision_config.image_size;
    let pixel = |index: usize| ((index * 7919) % 1009) as f32 / 504.5 - 1.0;
    let mut group = criterion.benchmark_group("frames of streams (256M, q8)");
    group.sample_size(10);
    for streams in [1, 2, 4] {
        let frames: Vec<f32> = (0..streams * 3 * side * side).map(pixel).collect();
        let all = PixelValues { values: &frames, tiles: streams, height: side, width: side };
        let each = frames.chunks_exact(3 * side * side);
        let each: Vec<_> = each.map(|values| PixelValues { values, tiles: 1, ..all }).collect();
        group.throughput(Throughput::Elements(streams as u64));
        group.bench_function(BenchmarkId::new("one by one", streams), |bencher| {
            bencher.iter(|| pool.install(|| model.encode_images(&each).unwrap()));
        });
        group.bench_function(BenchmarkId::new("one pass", streams), |bencher| {
            bencher.iter(|| pool.install(|| model.encode_image(all).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, frames);
criterion_main!(benches);
