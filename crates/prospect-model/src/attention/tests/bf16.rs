//! Keys and values in bf16, against a naive attention in f64 over the same rounded numbers.

use half::bf16;
use proptest::prelude::*;

use super::super::{Heads, Inputs, Kernel, Mask, Rounded, Scratch, attend};
use super::{Case, any_case, furthest};

/// What a kernel may be off by where it is said to multiply floats.
const FLOATS: f64 = 1e-5;

/// A case whose queries, keys and values are numbers of bf16, so that only what a kernel computes is rounded.
#[derive(Debug, Clone)]
struct Halves {
    case: Case,
    keys: Vec<bf16>,
    values: Vec<bf16>,
}

impl Halves {
    fn new(mut case: Case) -> Self {
        let round = |side: &mut Vec<f32>| -> Vec<bf16> {
            let rounded: Vec<bf16> = side.iter().map(|&x| bf16::from_f32(x)).collect();
            side.iter_mut().zip(&rounded).for_each(|(x, rounded)| *x = rounded.to_f32());
            rounded
        };
        round(&mut case.queries);
        let (keys, values) = (round(&mut case.keys), round(&mut case.values));
        Self { case, keys, values }
    }

    fn inputs(&self) -> Inputs<'_, bf16> {
        let Case { kv_heads, capacity, head_dim, slots, mask, .. } = self.case;
        let side = |data| Heads::by_head(data, [kv_heads, capacity, head_dim], slots).unwrap();
        let queries = self.case.inputs().queries;
        Inputs { queries, keys: side(&self.keys), values: side(&self.values), mask }
    }

    fn attend(&self, kernel: Kernel) -> Vec<f32> {
        let mut output = vec![f32::NAN; self.case.queries.len()];
        attend(&mut Scratch::new(kernel), &self.inputs(), &mut output).unwrap();
        output
    }

    /// Where weights are rounded, each by 2^-9 of itself: their mean of values by as much of the largest, and their sum as well.
    fn tolerance(&self, kernel: Kernel) -> f64 {
        let largest = self.values.iter().map(|x| f64::from(*x).abs()).fold(0.0, f64::max);
        match kernel.pairs::<bf16>(self.case.head_dim) {
            true => largest * 2f64.powi(-8) + FLOATS,
            false => FLOATS,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_kernel_is_the_naive_one(
        case in any_case((prop_oneof![Just(0.0f32), Just(1e-3), Just(1.0), Just(10.0)], Just(1.0)).prop_map(<[f32; 2]>::from)),
    ) {
        let halves = Halves::new(case);
        for kernel in Kernel::available() {
            let far = furthest(&halves.attend(kernel), halves.case.naive());
            prop_assert!(far < halves.tolerance(kernel), "{kernel:?}: {far}");
        }
    }

    #[test]
    fn so_it_is_with_scores_around_80(case in any_case(Just([25.0, 0.3]))) {
        let halves = Halves::new(case);
        for kernel in Kernel::available() {
            let far = furthest(&halves.attend(kernel), halves.case.naive());
            prop_assert!(far < halves.tolerance(kernel), "{kernel:?}: {far}");
        }
    }

    #[test]
    fn values_that_are_all_the_same_stay_so(case in any_case(Just([3.0, 1.0])), value in -100.0..100f32) {
        let mut halves = Halves::new(case);
        let value = bf16::from_f32(value);
        halves.values.fill(value);
        for kernel in Kernel::available() {
            let far = furthest(&halves.attend(kernel), vec![f64::from(value); halves.case.queries.len()]);
            prop_assert!(far <= 1e-6 * f64::from(value).abs(), "{kernel:?}: {far}");
        }
    }

    #[test]
    fn no_finite_input_makes_nan(
        case in any_case(Just([1.0, 1.0])),
        exponents in prop::array::uniform3(-150..128i32),
    ) {
        let mut halves = Halves::new(case);
        let mut scale = [0usize; 3];
        let mut factor = |side: usize| {
            scale[side] += 1;
            let at = scale[side];
            2f64.powi(if at % 5 == 0 { 128 } else if at % 3 == 0 { 0 } else { exponents[side] })
        };
        let limit = f64::from(f32::MAX);
        for query in &mut halves.case.queries {
            *query = (f64::from(*query) * factor(0)).clamp(-limit, limit) as f32;
        }
        let limit = f64::from(bf16::MAX);
        for (side, numbers) in [&mut halves.keys, &mut halves.values].into_iter().enumerate() {
            for number in numbers {
                *number = bf16::from_f64((f64::from(*number) * factor(side + 1)).clamp(-limit, limit));
            }
        }
        for kernel in Kernel::available() {
            prop_assert!(halves.attend(kernel).iter().all(|value| value.is_finite()), "{kernel:?}");
        }
    }

    #[test]
    fn rounded_heads_are_the_nearest(
        (heads, tokens, head_dim) in (1..4usize, 1..5usize, 1..80usize),
        bits in prop::collection::vec(any::<u32>(), 1..64),
    ) {
        let numbers: Vec<f32> =
            (0..heads * tokens * head_dim).map(|at| f32::from_bits(bits[at % bits.len()])).collect();
        let from = Heads::by_token(&numbers, [tokens, heads, head_dim]).unwrap();
        for kernel in Kernel::available() {
            let mut rounded = Rounded::new(kernel);
            let to = rounded.take(&from);
            for (head, token) in (0..heads).flat_map(|head| (0..tokens).map(move |token| (head, token))) {
                for (from, to) in from.row(head, token).iter().zip(to.row(head, token)) {
                    let nearest = match bf16::from_f32(*from) {
                        nearest if nearest.is_infinite() => bf16::MAX.copysign(nearest),
                        nearest => nearest,
                    };
                    let vanished = from.abs() < f32::MIN_POSITIVE && *to == bf16::ZERO;
                    let same = to.to_bits() == nearest.to_bits() || (from.is_nan() && to.is_nan());
                    prop_assert!(same || vanished, "{kernel:?}: {from:e} became {to:e}");
                }
            }
        }
    }
}

/// Long enough to be cut into chunks, in every regime.
#[test]
fn long_caches_are_naive_and_do_not_depend_on_threads() {
    let shapes =
        [[3, 3, 64, 1], [1, 1, 72, 20], [2, 3, 20, 2], [3, 3, 64, 17], [2, 1, 64, 60], [1, 3, 33, 9]];
    for (seed, shape) in shapes.into_iter().enumerate() {
        for (cached, masked) in [(600, true), (1500, true), (1501, false)] {
            let halves = Halves::new(Case::new(shape, cached, masked, [1.0, 1.0], seed as u64));
            for kernel in Kernel::available() {
                let with = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| halves.attend(kernel))
                };
                let alone = with(1);
                let far = furthest(&alone, halves.case.naive());
                assert!(far < halves.tolerance(kernel), "{kernel:?} {shape:?} {cached} {far}");
                assert!((2..4).all(|threads| with(threads) == alone), "{kernel:?} {shape:?} {cached}");
            }
        }
    }
}

/// `|bf16 - f32| / |f32|` where queries, keys and values are floats and no number of bf16: what a model feels.
#[test]
fn rounding_costs_less_than_a_percent() {
    let vision = (Case::new([2, 1, 72, 729], 0, false, [1.0, 1.0], 1), 6e-3);
    let prefill = (Case::new([1, 3, 64, 80], 8000, true, [1.0, 1.0], 2), 6e-3);
    let decode = (Case::new([1, 3, 64, 1], 8000, true, [1.0, 1.0], 3), 5e-3);
    let peaked = (Case::new([1, 3, 64, 80], 1000, true, [6.0, 1.0], 4), 2e-2);
    for (case, limit) in [vision, prefill, decode, peaked] {
        let exact = case.attend(Kernel::detect());
        let shape = [case.kv_heads, case.capacity, case.head_dim];
        let mut sides = [Rounded::default(), Rounded::default()];
        let [keys, values] = &mut sides;
        let inputs = case.inputs();
        let inputs = Inputs {
            queries: inputs.queries,
            keys: keys.take(&inputs.keys),
            values: values.take(&inputs.values),
            mask: inputs.mask,
        };
        let mut output = vec![f32::NAN; exact.len()];
        attend(&mut Scratch::default(), &inputs, &mut output).unwrap();
        let square = |x: f32| f64::from(x).powi(2);
        let off: f64 = output.iter().zip(&exact).map(|(a, b)| square(a - b)).sum();
        let off = (off / exact.iter().map(|&x| square(x)).sum::<f64>()).sqrt();
        println!("{shape:?} {} tokens: {off:.2e}", case.tokens);
        assert!(off < limit, "{shape:?} {} tokens: {off}", case.tokens);
    }
}

#[test]
fn overflow_is_computed_in_f64() {
    for tokens in [1, 9] {
        let mut case = Case::new([1, 1, 2, tokens], 1, false, [1.0, 1.0], 0);
        case.queries.fill(3e38);
        case.keys = [3e38, -3e38].into_iter().cycle().take(case.keys.len()).collect();
        case.values = [f32::from(bf16::MAX), 1.0].into_iter().cycle().take(case.values.len()).collect();
        let halves = Halves::new(case);
        assert_eq!(halves.case.mask, Mask::None);
        for kernel in Kernel::available() {
            let output = halves.attend(kernel);
            assert!(output.chunks(2).all(|row| row == [f32::from(bf16::MAX), 1.0]), "{kernel:?} {output:?}");
        }
    }
}
