//! Measures attention of one layer over keys and values in f32, bf16 and int8, at the shapes of
//! SmolVLM2.
//!
//! Calls cycle through the caches of all layers, so that keys and values are read from memory as in a
//! model.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use half::bf16;
use prospect_model::attention::{Element, Heads, Inputs, Mask, Rounded, Scratch, attend};

/// Shapes of the decoder of SmolVLM2-256M.
const LAYERS: usize = 30;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD_DIM: usize = 64;

/// Keys and values of a layer, concatenated.
type Layer<T> = Vec<T>;

/// Pseudo-random numbers, the same in every run.
fn numbers(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn decoder<T: Element>(
    criterion: &mut Criterion,
    element: &str,
    from: impl Fn(f32) -> T,
    [tokens, cached]: [usize; 2],
) {
    let slots = cached + tokens;
    let (queries, side) = (numbers(HEADS * tokens * HEAD_DIM), KV_HEADS * slots * (HEAD_DIM + T::SCALE));
    let layers: Vec<Layer<T>> =
        (0..LAYERS).map(|_| numbers(2 * side).into_iter().map(&from).collect()).collect();
    let (mut scratch, mut output) = (Scratch::default(), vec![0.0; queries.len()]);
    let mut pass = || {
        for layer in &layers {
            let heads = |data| Heads::by_head(data, [KV_HEADS, slots, HEAD_DIM], slots).unwrap();
            let inputs = Inputs {
                queries: Heads::by_token(&queries, [tokens, HEADS, HEAD_DIM]).unwrap(),
                keys: heads(&layer[..side]),
                values: heads(&layer[side..]),
                mask: Mask::Causal { cached },
            };
            attend(&mut scratch, &inputs, &mut output).unwrap();
        }
    };
    let mut group = criterion.benchmark_group(format!("{tokens} tokens behind a cache (256M, a layer)"));
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.bench_function(BenchmarkId::new(element, cached), |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            (0..iterations).for_each(|_| pass());
            start.elapsed() / LAYERS as u32
        });
    });
    group.finish();
}

fn cached(criterion: &mut Criterion) {
    for tokens in [1, 80] {
        for cached in [1024, 4096] {
            decoder(criterion, "f32", |x| x, [tokens, cached]);
            decoder(criterion, "bf16", bf16::from_f32, [tokens, cached]);
            // Any bytes are valid int8 numbers, and these four bytes give a small scale.
            decoder(criterion, "int8", |x| (x * 60.0).abs() as u8, [tokens, cached]);
        }
    }
}

/// Full attention between the patches of a tile. In bf16 the time of rounding is included.
fn vision(criterion: &mut Criterion) {
    for (shape, [patches, heads, head_dim]) in [("256M", [1024, 12, 64]), ("2.2B", [729, 16, 72])] {
        let sides = numbers(3 * patches * heads * head_dim);
        let sides: Vec<Heads<'_>> = sides
            .chunks(patches * heads * head_dim)
            .map(|side| Heads::by_token(side, [patches, heads, head_dim]).unwrap())
            .collect();
        let (mut scratch, mut output) = (Scratch::default(), vec![0.0; patches * heads * head_dim]);
        let mut rounded = [Rounded::default(), Rounded::default()];
        let (queries, mask) = (sides[0], Mask::None);
        let mut group = criterion.benchmark_group(format!("vision (a layer of {shape})"));
        group.sample_size(10).measurement_time(Duration::from_secs(3));
        group.bench_function("f32", |bencher| {
            let inputs = Inputs { queries, keys: sides[1], values: sides[2], mask };
            bencher.iter(|| attend(&mut scratch, &inputs, &mut output).unwrap());
        });
        group.bench_function("bf16", |bencher| {
            bencher.iter(|| {
                let [keys, values] = &mut rounded;
                let (keys, values) = (keys.take(&sides[1]), values.take(&sides[2]));
                attend(&mut scratch, &Inputs { queries, keys, values, mask }, &mut output).unwrap();
            });
        });
        group.finish();
    }
}

criterion_group!(benches, cached, vision);
criterion_main!(benches);
