//! Measures linear layers at the shapes of SmolVLM2: one row (decoding), 80 rows (prefill) and 1,024
//! rows (vision).
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::cell::Cell;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prospect_model::linear::{PackedLinear, Precision};

/// Name, precision, and whether the weights are first rounded to bf16.
const KINDS: [(&str, Precision, bool); 6] = [
    ("f32", Precision::F32, false),
    ("bf16", Precision::F32, true),
    ("int8, 64", Precision::Int8 { inputs_per_scale: 64, rotated: false }, false),
    ("int8, 64, rotated", Precision::Int8 { inputs_per_scale: 64, rotated: true }, false),
    ("int8, 128", Precision::Int8 { inputs_per_scale: 128, rotated: false }, false),
    ("int8, 256", Precision::Int8 { inputs_per_scale: 256, rotated: false }, false),
];

/// Bytes of weights that exceed every processor cache.
const BEYOND_CACHES: usize = 160_000_000;

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919) % 1009) as f32 / 504.5 - 1.0).collect()
}

fn layer(precision: Precision, bf16: bool, inputs: usize, outputs: usize) -> PackedLinear {
    let mut weight = values(inputs * outputs);
    if bf16 {
        weight.iter_mut().for_each(|weight| *weight = f32::from_bits(weight.to_bits() & !0xFFFF));
    }
    PackedLinear::new(precision, &weight, None, inputs).unwrap()
}

/// Bytes per second. The calls cycle through copies of the layer, so that each is read from memory as
/// in decoding.
fn one_row(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one row");
    for (inputs, outputs) in [(576, 3072), (1536, 576), (576, 49280)] {
        for (name, precision, bf16) in KINDS {
            let copies = BEYOND_CACHES.div_ceil(inputs * outputs * 4);
            let mut layers: Vec<_> = (0..copies).map(|_| layer(precision, bf16, inputs, outputs)).collect();
            PackedLinear::gather(&mut layers);
            let (input, mut output, turn) = (values(inputs), vec![0.0; outputs], Cell::new(0));
            group.throughput(Throughput::Bytes(layers[0].weight_bytes() as u64));
            group.bench_function(BenchmarkId::new(name, format!("{inputs}-{outputs}")), |bencher| {
                bencher.iter(|| {
                    turn.set((turn.get() + 1) % copies);
                    layers[turn.get()].forward_into(&input, 1, &mut output).unwrap();
                });
            });
        }
    }
    group.finish();
}

/// Multiplications and additions per second.
fn many_rows(criterion: &mut Criterion) {
    for (rows, shapes) in [(80, [(576, 3072), (1536, 576)]), (1024, [(768, 3072), (3072, 768)])] {
        let mut group = criterion.benchmark_group(format!("{rows} rows"));
        group.sample_size(20);
        for (inputs, outputs) in shapes {
            let (input, mut output) = (values(rows * inputs), vec![0.0; rows * outputs]);
            group.throughput(Throughput::Elements(2 * (rows * inputs * outputs) as u64));
            for (name, precision, bf16) in KINDS {
                let layer = layer(precision, bf16, inputs, outputs);
                group.bench_function(BenchmarkId::new(name, format!("{inputs}-{outputs}")), |bencher| {
                    bencher.iter(|| layer.forward_into(&input, rows, &mut output).unwrap());
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, one_row, many_rows);
criterion_main!(benches);
