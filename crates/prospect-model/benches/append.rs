//! Measures the KV cache: appending a token, decoding one, evicting half of the cache, writing it to a
//! file and reading it back.
//!
//! Appends and files are measured at the shapes of SmolVLM2-256M, the rest with a small checkpoint of
//! fixtures/goldens.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::io::BufWriter;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use prospect_context::PositionPolicy;
use prospect_model::{EvictionPiece, KvCache, SmolVlm, StoredTensors, TextConfig, ZeroToken, write_tensors};

const LENGTHS: [usize; 2] = [256, 3840];
const CAPACITY: usize = 4096;

fn shapes_of_256m() -> TextConfig {
    let published = r#"{"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "head_dim": 64, "intermediate_size": 1536, "vocab_size": 49280, "max_position_embeddings": 8192}"#;
    serde_json::from_str(published).unwrap()
}

fn append(criterion: &mut Criterion) {
    let config = shapes_of_256m();
    let token = KvCache::zero_token(&config);
    let mut group = criterion.benchmark_group("append a token (256M: 30 layers, 3 x 64)");
    for length in LENGTHS {
        let mut cache = KvCache::for_shapes(&config, CAPACITY, PositionPolicy::Rerotate).unwrap();
        fill(&mut cache, &token, length);
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                cache.append_zeros(&token).unwrap();
                cache.truncate(length);
            });
        });
    }
    group.finish();
}

fn suspend(criterion: &mut Criterion) {
    let config = shapes_of_256m();
    let token = KvCache::zero_token(&config);
    let mut cache = KvCache::for_shapes(&config, CAPACITY, PositionPolicy::Rerotate).unwrap();
    fill(&mut cache, &token, CAPACITY);
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |cache: &KvCache| {
        let mut to = BufWriter::with_capacity(1 << 20, std::fs::File::create(file.path()).unwrap());
        let mut tensors = Vec::new();
        let slots = cache.suspend("cache", &mut tensors).unwrap();
        write_tensors(&mut to, "", &tensors).unwrap();
        to.into_inner().unwrap().sync_all().unwrap();
        slots
    };
    let mut group = criterion.benchmark_group("4,096 tokens in a file (256M)");
    group.sample_size(10);
    let slots = write(&cache);
    group.bench_function("write", |bencher| bencher.iter(|| write(&cache)));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let stored = StoredTensors::parse(std::fs::read(file.path()).unwrap()).unwrap();
            cache.resume("cache", slots, &stored).unwrap();
        });
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    let model = model();
    let token = KvCache::zero_token(&model.config().text_config);
    let chunk = model.joint_embed(&[5], None).unwrap();
    let mut group = criterion.benchmark_group("decode a token (gqa-tied: 2 layers, 1 x 32)");
    for length in LENGTHS {
        let mut cache = model.new_cache(CAPACITY, PositionPolicy::Rerotate).unwrap();
        fill(&mut cache, &token, length);
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                black_box(model.prefill(&chunk, &mut cache).unwrap());
                cache.truncate(length);
            });
        });
    }
    group.finish();
}

fn evict(criterion: &mut Criterion) {
    let model = model();
    let token = KvCache::zero_token(&model.config().text_config);
    let mut group = criterion.benchmark_group("evict half of 3840 tokens (gqa-tied: 2 layers, 1 x 32)");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    let pieces = [EvictionPiece::Keep(0..128), EvictionPiece::Keep(2048..3840)];
    for policy in [
        PositionPolicy::Legacy,
        PositionPolicy::Preserve,
        PositionPolicy::Rerotate,
        PositionPolicy::Recompute,
    ] {
        let mut cache = model.new_cache(CAPACITY, policy).unwrap();
        group.bench_function(policy.as_str(), |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations).map(|_| time_eviction(&model, &mut cache, &token, &pieces)).sum()
            });
        });
    }
    group.finish();
}

fn time_eviction(
    model: &SmolVlm,
    cache: &mut KvCache,
    token: &ZeroToken,
    pieces: &[EvictionPiece],
) -> Duration {
    cache.truncate(0);
    fill(cache, token, 3840);
    let start = Instant::now();
    let positions_reset = model.evict(cache, pieces).unwrap();
    let elapsed = start.elapsed();
    assert!(!positions_reset && cache.len() == 1920);
    elapsed
}

fn fill(cache: &mut KvCache, token: &ZeroToken, length: usize) {
    (0..length).for_each(|_| cache.append_zeros(token).unwrap());
}

/// The small checkpoint, with enough positions for a long stream.
fn model() -> SmolVlm {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/checkpoints/gqa-tied");
    let longer = tempfile::tempdir().unwrap();
    let weights = "model.safetensors";
    std::fs::copy(folder.join(weights), longer.path().join(weights)).unwrap();
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let (from, to) = ("\"max_position_embeddings\": 2048", "\"max_position_embeddings\": 16384");
    assert!(config.contains(from));
    std::fs::write(longer.path().join("config.json"), config.replace(from, to)).unwrap();
    SmolVlm::load(longer.path()).unwrap()
}

criterion_group!(benches, append, suspend, decode, evict);
criterion_main!(benches);
