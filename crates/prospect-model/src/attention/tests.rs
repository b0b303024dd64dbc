//! Properties of attention, against a naive implementation in f64.

mod formats;

use crate::random::SplitMix64;
use proptest::prelude::*;

use super::{Heads, Inputs, Kernel, Mask, Scratch, attend};

/// Shape, values and mask of a call.
#[derive(Debug, Clone)]
struct Case {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    tokens: usize,
    slots: usize,
    capacity: usize,
    mask: Mask,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Case {
    /// Random numbers around 0. The scales are the standard deviation of the scores and the size of the
    /// values.
    fn new(
        [kv_heads, group, head_dim, tokens]: [usize; 4],
        cached: usize,
        masked: bool,
        [scores, values]: [f32; 2],
        seed: u64,
    ) -> Self {
        let (heads, slots, capacity) = (kv_heads * group, cached + tokens, cached + tokens + 3);
        let mut random = Random(SplitMix64(seed));
        let mut take = |count: usize, scale: f32| -> Vec<f32> {
            (0..count).map(|_| random.uniform() * scale * 3f32.sqrt()).collect()
        };
        let queries = take(heads * tokens * head_dim, scores);
        let mut side = |scale| {
            let mut side = take(kv_heads * capacity * head_dim, scale);
            // Slots behind the filled ones are NaN, because they must not be read.
            side.chunks_mut(capacity * head_dim).for_each(|head| head[slots * head_dim..].fill(f32::NAN));
            side
        };
        let (keys, values) = (side(1.0), side(values));
        let mask = if masked { Mask::Causal { cached } } else { Mask::None };
        Self { heads, kv_heads, head_dim, tokens, slots, capacity, mask, queries, keys, values }
    }

    fn inputs(&self) -> Inputs<'_> {
        let side = [self.kv_heads, self.capacity, self.head_dim];
        Inputs {
            queries: Heads::by_head(&self.queries, [self.heads, self.tokens, self.head_dim], self.tokens)
                .unwrap(),
            keys: Heads::by_head(&self.keys, side, self.slots).unwrap(),
            values: Heads::by_head(&self.values, side, self.slots).unwrap(),
            mask: self.mask,
        }
    }

    fn attend(&self, kernel: Kernel) -> Vec<f32> {
        let mut output = vec![f32::NAN; self.tokens * self.heads * self.head_dim];
        attend(&mut Scratch::new(kernel), &self.inputs(), &mut output).unwrap();
        output
    }

    fn naive(&self) -> Vec<f64> {
        let (dim, group) = (self.head_dim, self.heads / self.kv_heads);
        let mut output = Vec::new();
        for token in 0..self.tokens {
            for head in 0..self.heads {
                let seen = match self.mask {
                    Mask::Causal { cached } => cached + token + 1,
                    Mask::None => self.slots,
                };
                let query = &self.queries[(head * self.tokens + token) * dim..][..dim];
                let at = |slot: usize| (head / group * self.capacity + slot) * dim;
                let dot = |slot: usize| -> f64 {
                    let key = &self.keys[at(slot)..][..dim];
                    query.iter().zip(key).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum()
                };
                let scores: Vec<f64> = (0..seen).map(|slot| dot(slot) / (dim as f64).sqrt()).collect();
                let max = scores.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
                let sum: f64 = weights.iter().sum();
                output.extend((0..dim).map(|feature| {
                    let mix = |(slot, weight)| weight / sum * f64::from(self.values[at(slot) + feature]);
                    weights.iter().copied().enumerate().map(mix).sum::<f64>()
                }));
            }
        }
        output
    }
}

struct Random(SplitMix64);

impl Random {
    /// Uniform between -1 and 1.
    fn uniform(&mut self) -> f32 {
        (self.0.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn furthest(a: &[f32], b: impl IntoIterator<Item = f64>) -> f64 {
    let far = |(a, b): (&f32, f64)| if a.is_nan() { f64::INFINITY } else { (f64::from(*a) - b).abs() };
    a.iter().zip(b).map(far).fold(0.0, f64::max)
}

fn any_case(scales: impl Strategy<Value = [f32; 2]>) -> impl Strategy<Value = Case> {
    let shape = (1..4usize, 1..6usize, 1..80usize, 1..10usize);
    (shape, 0..71usize, any::<bool>(), scales, any::<u64>()).prop_map(
        |((kv_heads, group, head_dim, tokens), cached, masked, scales, seed)| {
            Case::new([kv_heads, group, head_dim, tokens], cached, masked, scales, seed)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_kernel_is_the_naive_one(
        case in any_case((prop_oneof![Just(0.0f32), Just(1e-3), Just(1.0), Just(10.0)], Just(1.0)).prop_map(<[f32; 2]>::from)),
    ) {
        for kernel in Kernel::available() {
            let far = furthest(&case.attend(kernel), case.naive());
            prop_assert!(far < 1e-5, "{kernel:?}: {far}");
        }
    }

    /// Scores have a standard deviation of 25, and values reach 0.5. Rounding a score of 80 to f32
    /// alone costs 4e-6.
    #[test]
    fn so_it_is_with_scores_around_80(case in any_case(Just([25.0, 0.3]))) {
        for kernel in Kernel::available() {
            let far = furthest(&case.attend(kernel), case.naive());
            prop_assert!(far < 1e-5, "{kernel:?}: {far}");
        }
    }

    #[test]
    fn every_kernel_is_the_portable_one(case in any_case(Just([1.0, 1.0]))) {
        let kernels: Vec<_> = Kernel::available().map(|kernel| case.attend(kernel)).collect();
        for output in &kernels[1..] {
            let far = furthest(output, kernels[0].iter().map(|&value| f64::from(value)));
            prop_assert!(far < 1e-6, "{far}");
        }
    }

    #[test]
    fn no_finite_input_makes_nan(
        mut case in any_case(Just([1.0, 1.0])),
        exponents in prop::array::uniform3(-150..128i32),
    ) {
        let sides = [&mut case.queries, &mut case.keys, &mut case.values];
        for (side, exponent) in sides.into_iter().zip(exponents) {
            for (at, value) in side.iter_mut().enumerate().filter(|(at, _)| at % 3 > 0) {
                let factor = 2f64.powi(if at % 5 == 0 { 128 } else { exponent });
                let limit = f64::from(f32::MAX);
                *value = (f64::from(*value) * factor).clamp(-limit, limit) as f32;
            }
        }
        for kernel in Kernel::available() {
            prop_assert!(case.attend(kernel).iter().all(|value| value.is_finite()), "{kernel:?}");
        }
    }

    #[test]
    fn queries_by_token_give_the_same_bits(case in any_case(Just([1.0, 1.0]))) {
        let Case { heads, tokens, head_dim, .. } = case;
        let mut by_token = Vec::new();
        for token in 0..tokens {
            for head in 0..heads {
                by_token.extend(&case.queries[(head * tokens + token) * head_dim..][..head_dim]);
            }
        }
        let queries = Heads::by_token(&by_token, [tokens, heads, head_dim]).unwrap();
        let mut output = vec![0.0; by_token.len()];
        attend(&mut Scratch::default(), &Inputs { queries, ..case.inputs() }, &mut output).unwrap();
        prop_assert_eq!(output, case.attend(Kernel::detect()));
    }
}

/// Caches long enough to be cut into chunks, with every layout.
#[test]
fn long_caches_are_naive_and_do_not_depend_on_threads() {
    let shapes = [[3, 3, 64, 1], [1, 1, 72, 1], [2, 3, 20, 2], [3, 3, 64, 17], [2, 1, 64, 60]];
    for (seed, shape) in shapes.into_iter().enumerate() {
        for (cached, masked) in [(600, true), (1500, true), (1500, false)] {
            let case = Case::new(shape, cached, masked, [1.0, 1.0], seed as u64);
            for kernel in Kernel::available() {
                let with = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| case.attend(kernel))
                };
                let alone = with(1);
                let far = furthest(&alone, case.naive());
                assert!(far < 1e-5, "{kernel:?} {shape:?} {cached} {far}");
                assert!((2..4).all(|threads| with(threads) == alone), "{kernel:?} {shape:?} {cached}");
            }
        }
    }
}

#[test]
fn scratch_is_reused_across_shapes() {
    for kernel in Kernel::available() {
        let mut scratch = Scratch::new(kernel);
        for (seed, tokens) in [70, 1, 9, 33, 2].into_iter().enumerate() {
            let case = Case::new([2, 2, 24, tokens], 40, true, [1.0, 1.0], seed as u64);
            let mut output = vec![f32::NAN; tokens * 4 * 24];
            attend(&mut scratch, &case.inputs(), &mut output).unwrap();
            assert_eq!(output, case.attend(kernel));
        }
    }
}

#[test]
fn overflow_is_computed_in_f64() {
    let mut case = Case::new([1, 1, 2, 1], 1, true, [1.0, 1.0], 0);
    case.queries = vec![3e38, 3e38];
    case.keys[..4].copy_from_slice(&[3e38, -3e38, 3e38, -3e38]);
    case.values[..4].copy_from_slice(&[f32::MAX, 1.0, f32::MAX, 2.0]);
    for kernel in Kernel::available() {
        assert_eq!(case.attend(kernel), [f32::MAX, 1.5]);
    }
}

#[test]
fn powers_of_two_are_within_two_ulp() {
    for kernel in Kernel::available() {
        let inputs: Vec<f32> = (0..1 << 20).map(|at| -126.0 * (at as f32 / (1 << 20) as f32)).collect();
        let mut outputs = inputs.clone();
        kernel.exp2(&mut outputs);
        for (input, output) in inputs.iter().zip(&outputs) {
            let exact = f64::from(*input).exp2();
            let far = (f64::from(*output) / exact - 1.0).abs();
            assert!(far < 2e-7, "{kernel:?}: 2^{input} is off by {far}");
        }
        let mut edges = [0.0f32; 16];
        edges[..4].copy_from_slice(&[-127.6, f32::NEG_INFINITY, f32::MIN, f32::NAN]);
        kernel.exp2(&mut edges);
        assert_eq!(edges[..3], [0.0; 3]);
        assert!(edges[3].is_nan());
        assert_eq!(edges[4..], [1.0; 12]);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let case = Case::new([2, 2, 8, 3], 5, true, [1.0, 1.0], 0);
    let inputs = case.inputs();
    let refused = |inputs: Inputs, length| attend(&mut Scratch::default(), &inputs, &mut vec![0.0; length]);
    let length = case.tokens * case.heads * case.head_dim;
    assert!(refused(inputs, length).is_ok());
    assert!(refused(inputs, length - 1).is_err());
    assert!(refused(Inputs { mask: Mask::Causal { cached: 4 }, ..inputs }, length).is_err());
    assert!(refused(Inputs { values: inputs.queries, ..inputs }, length).is_err());
    assert!(Heads::by_head(&case.keys, [2, 12, 8], 12).is_err());
    assert!(Heads::by_head(&case.keys, [2, 11, 8], 12).is_err());
    let error = refused(inputs, 1).unwrap_err();
    assert_eq!(error.to_string(), "attention has 1 floats of the output where it needs 96");
}
