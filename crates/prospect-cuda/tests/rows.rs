//! The row kernels against the same computation in f64, on a GPU or on the CPU stand-in of
//! `cargo xtask cuda-test`.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use candle_core::{DType, Device, Tensor};
use prospect_cuda::{
    Place, Step, add_bias, choose, embed_word, gated, has_row_kernels, layer_norm, rms_norm, turn_into_cache,
};

/// The 16-bit types, and the largest relative error of one rounding to each.
const HALVES: [(DType, f64); 2] = [(DType::BF16, 1.0 / 256.0), (DType::F16, 1.0 / 2048.0)];

static GPU: LazyLock<Device> = LazyLock::new(|| prospect_cuda::open(0).unwrap());

/// Deterministic values that differ from each other.
fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + seed * 104_729) as f32 * 0.37).sin() * 3.0).collect()
}

fn tensor(shape: &[usize], seed: usize, dtype: DType) -> Tensor {
    let values = values(shape.iter().product(), seed);
    on_gpu(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap())
}

fn on_gpu(tensor: &Tensor) -> Tensor {
    tensor.to_device(&GPU).unwrap()
}

fn wide(tensor: &Tensor) -> Vec<f64> {
    let here = tensor.to_device(&Device::Cpu).unwrap();
    here.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

fn rows(tensor: &Tensor) -> Vec<Vec<f64>> {
    let size = tensor.dims()[tensor.rank() - 1];
    wide(tensor).chunks(size).map(<[f64]>::to_vec).collect()
}

/// The results of `compute` for all rows, concatenated.
fn by_row(rows: &[Vec<f64>], compute: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    rows.iter().flat_map(|row| compute(row)).collect()
}

/// All values differ from the expected ones by at most one rounding, plus the error of sums in f32.
fn assert_near(found: &Tensor, expected: &[f64], rounding: f64) {
    let found = wide(found);
    assert_eq!(found.len(), expected.len());
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(off <= rounding * expected.abs() + 1e-5, "{index}: {found} for {expected}");
    }
}

#[test]
fn norms() {
    for (dtype, rounding) in HALVES {
        // Sizes: less than a warp, not a multiple of a warp, more than a block.
        for size in [8, 100, 576, 5000] {
            let x = tensor(&[3, size], 1, DType::F32);
            let (weight, bias) = (tensor(&[size], 2, DType::F32), tensor(&[size], 3, DType::F32));
            let (before, w, b) = (rows(&x), wide(&weight), wide(&bias));
            let mean = |row: &[f64]| row.iter().sum::<f64>() / size as f64;
            let scale = |row: &[f64], eps: f64| {
                1.0 / (row.iter().map(|x| x * x).sum::<f64>() / size as f64 + eps).sqrt()
            };

            let expected = by_row(&before, |row| {
                let scale = scale(row, 1e-5);
                row.iter().zip(&w).map(|(x, w)| x * scale * w).collect()
            });
            assert_near(&rms_norm(&x, &weight, 1e-5, dtype).unwrap(), &expected, rounding);

            let expected = by_row(&before, |row| {
                let mean = mean(row);
                let centred: Vec<f64> = row.iter().map(|x| x - mean).collect();
                let scale = scale(&centred, 1e-6);
                centred.iter().zip(w.iter().zip(&b)).map(|(x, (w, b))| x * scale * w + b).collect()
            });
            let found = layer_norm(&x, (&weight, &bias), 1e-6, None, dtype).unwrap();
            assert_near(&found, &expected, rounding);
            assert_eq!(rows(&x), before);
            let pending = tensor(&[size], 4, DType::F32);
            let found = layer_norm(&x, (&weight, &bias), 1e-6, Some(&pending), dtype).unwrap();
            assert_near(&found, &expected, rounding);
            let pending = wide(&pending);
            let after = by_row(&before, |row| row.iter().zip(&pending).map(|(x, added)| x + added).collect());
            assert_near(&x, &after, 0.0);
        }
    }
}

#[test]
fn biases_and_gates() {
    let gelu = |x: f64| {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
        0.5 * x * (1.0 + inner.tanh())
    };
    for (dtype, rounding) in HALVES {
        for size in [6, 128, 1000] {
            let x = || tensor(&[4, size], 5, dtype);
            let bias = tensor(&[size], 6, DType::F32);
            let b = wide(&bias);
            let sums = by_row(&rows(&x()), |row| row.iter().zip(&b).map(|(x, b)| x + b).collect());
            let added = x();
            add_bias(&added, &bias, false).unwrap();
            assert_near(&added, &sums, rounding);
            let activated = x();
            add_bias(&activated, &bias, true).unwrap();
            assert_near(&activated, &sums.iter().map(|x| gelu(*x)).collect::<Vec<_>>(), rounding);

            let gate_up = tensor(&[3, 2 * size], 7, dtype);
            let expected = by_row(&rows(&gate_up), |row| {
                let (gates, values) = row.split_at(size);
                gates.iter().zip(values).map(|(gate, value)| gate / (1.0 + (-gate).exp()) * value).collect()
            });
            assert_near(&gated(&gate_up).unwrap(), &expected, rounding);
        }
    }
}

#[test]
fn queries_keys_and_values_go_where_they_belong() {
    let (tokens, heads, kv_heads, head_dim, capacity, positions) = (3, 4, 2, 6, 9, 20);
    let half = head_dim / 2;
    let at = Place { id: 0, position: 11, slot: 5 };
    for (dtype, rounding) in HALVES {
        let qkv = tensor(&[tokens, (heads + 2 * kv_heads) * head_dim], 8, dtype);
        let [cosines, sines] = [9, 10].map(|seed| tensor(&[positions, half], seed, DType::F32));
        let [keys, values] = [(); 2].map(|()| {
            let side = Tensor::full(f32::NAN, (1, kv_heads, capacity, head_dim), &Device::Cpu);
            on_gpu(&side.unwrap().to_dtype(dtype).unwrap())
        });
        let mut step = Step::new(&GPU).unwrap();
        let mut turn = |at| {
            step.start(at).unwrap();
            turn_into_cache(&qkv, (&cosines, &sines), &step, (&keys, &values), heads)
        };
        let queries = turn(at).unwrap();
        assert_eq!(queries.dims(), [tokens, heads, head_dim]);

        let (cosines, sines) = (rows(&cosines), rows(&sines));
        let projected: Vec<Vec<f64>> = wide(&qkv).chunks(head_dim).map(<[f64]>::to_vec).collect();
        let head = |token: usize, head: usize| &projected[token * (heads + 2 * kv_heads) + head];
        let turned = |token: usize, index: usize| -> Vec<f64> {
            let (first, second) = head(token, index).split_at(half);
            let (cos, sin) = (&cosines[at.position + token], &sines[at.position + token]);
            let one = (0..half).map(|i| first[i] * cos[i] - second[i] * sin[i]);
            one.chain((0..half).map(|i| second[i] * cos[i] + first[i] * sin[i])).collect()
        };
        let each = (0..tokens).flat_map(|token| (0..heads).map(move |head| (token, head)));
        let expected: Vec<f64> = each.flat_map(|(token, head)| turned(token, head)).collect();
        assert_near(&queries, &expected, rounding);
        for (kv_head, slot) in (0..kv_heads).flat_map(|head| (0..capacity).map(move |slot| (head, slot))) {
            let row = |side: &Tensor| side.get(0).unwrap().get(kv_head).unwrap().get(slot).unwrap();
            match slot.checked_sub(at.slot).filter(|token| *token < tokens) {
                Some(token) => {
                    assert_near(&row(&keys), &turned(token, heads + kv_head), rounding);
                    assert_eq!(wide(&row(&values)), *head(token, heads + kv_heads + kv_head));
                }
                // No other slot is written.
                None => {
                    assert!([&keys, &values].iter().all(|side| wide(&row(side)).iter().all(|x| x.is_nan())))
                }
            }
        }
        // A slot or a position too far.
        for beyond in [Place { slot: 7, ..at }, Place { position: 18, ..at }] {
            assert!(turn(beyond).unwrap_err().to_string().contains("below"));
        }
    }
}

#[test]
fn a_word_is_looked_up() {
    let table = tensor(&[7, 200], 11, DType::BF16);
    let mut step = Step::new(&GPU).unwrap();
    step.start(Place { id: 6, ..Place::default() }).unwrap();
    assert_eq!(rows(&embed_word(&table, &step).unwrap())[0], rows(&table)[6]);
    step.start(Place { id: 7, ..Place::default() }).unwrap();
    embed_word(&table, &step).unwrap_err();
}

#[test]
fn the_next_word_is_chosen() {
    let choice = Tensor::zeros(4, DType::F32, &GPU).unwrap();
    let chosen = |logits: &[f32], silence: u32| -> Vec<f32> {
        choose(&Tensor::new(logits, &GPU).unwrap(), silence, &choice).unwrap();
        choice.to_vec1().unwrap()
    };
    for vocab in [5, 49_280] {
        let mut logits = values(vocab, 12);
        (logits[2], logits[vocab - 1]) = (5.0, 5.0);
        let sum: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        // Of two equal logits the first wins. Silence is one of them, another token, or not in the
        // vocabulary.
        for (silence, other) in [(2, vocab - 1), (1, 2), (vocab as u32, 2), (u32::MAX, 2)] {
            let found = chosen(&logits, silence);
            assert_eq!(found[..2], [2.0, other as f32]);
            let silent = logits.get(silence as usize).map_or(0.0, |logit| f64::from(*logit).exp() / sum);
            assert!((f64::from(found[2]) - silent).abs() < 1e-5 * silent + 1e-9);
            assert_eq!(found[3], 0.0);
        }
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            logits[3] = broken;
            assert_ne!(chosen(&logits, 2)[3], 0.0);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (x, weight) = (tensor(&[2, 8], 1, DType::F32), tensor(&[7], 2, DType::F32));
    let error = rms_norm(&x, &weight, 1e-5, DType::BF16).unwrap_err().to_string();
    assert!(error.contains("expected F32 [8], found F32 [7]"), "{error}");
    gated(&x).unwrap_err();
    // A tensor that is not contiguous.
    let turned = tensor(&[8, 2], 1, DType::F32).t().unwrap();
    rms_norm(&turned, &tensor(&[8], 2, DType::F32), 1e-5, DType::BF16).unwrap_err();
    assert!(has_row_kernels(&GPU, DType::F16) && !has_row_kernels(&GPU, DType::F32));
    // Tensors on the CPU.
    assert!(!has_row_kernels(&Device::Cpu, DType::F16));
    let (x, weight) = (x.to_device(&Device::Cpu).unwrap(), weight.to_device(&Device::Cpu).unwrap());
    rms_norm(&x, &weight, 1e-5, DType::BF16).unwrap_err();
}
