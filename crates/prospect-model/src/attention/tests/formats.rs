//! Keys and values in bf16 and int8, against naive attention in f64 over the same rounded values.

use half::bf16;
use proptest::prelude::*;

use super::super::plan::Plan;
use super::super::tile::Layout;
use super::super::{Element, Heads, Inputs, Kernel, Mask, Number, Rounded, Scratch, attend, int8};
use super::{Case, any_case, furthest};

/// Allowed error of kernels that multiply floats.
const FLOATS: f64 = 1e-5;

/// Rounds to bf16; finite values stay finite.
fn nearest_finite(x: f32) -> bf16 {
    let limit = f32::from(bf16::MAX);
    bf16::from_f32(x.clamp(-limit, limit))
}

/// A storage format of keys and values.
trait Format: Element + std::fmt::Debug {
    /// Stores a row in this format. The row is replaced by the stored values, which are exact in bf16,
    /// so that only the computation rounds.
    fn keep(row: &mut [f32]) -> Vec<Self>;

    /// Replaces a query by one that is exact in bf16 once it is turned like the keys.
    fn keep_query(query: &mut [f32]) {
        Self::turn(query);
        query.iter_mut().for_each(|x| *x = nearest_finite(*x).to_f32());
        Self::turn(query);
    }
}

impl Format for bf16 {
    fn keep(row: &mut [f32]) -> Vec<Self> {
        let rounded: Vec<Self> = row.iter().map(|&x| nearest_finite(x)).collect();
        row.iter_mut().zip(&rounded).for_each(|(x, rounded)| *x = rounded.to_f32());
        rounded
    }
}

impl Format for u8 {
    fn keep(row: &mut [f32]) -> Vec<Self> {
        let mut bytes = vec![0; int8::row_bytes(row.len())];
        Self::turn(row);
        if let Some(largest) = row.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs())) {
            // With a power of two as scale, the values have seven bits.
            let exponent = (largest.abs() / 127.0).log2().ceil().clamp(-126.0, 120.0);
            if *largest != 0.0 && !largest.is_nan() {
                *largest = (127.0 * exponent.exp2()).copysign(*largest);
            }
        }
        int8::round(row, &mut bytes);
        int8::dequantise(&bytes, row);
        bytes
    }
}

/// A case whose keys and values are stored in a format.
#[derive(Debug, Clone)]
struct Kept<T> {
    case: Case,
    keys: Vec<T>,
    values: Vec<T>,
}

impl<T: Format> Kept<T> {
    fn new(mut case: Case) -> Self {
        let head_dim = case.head_dim;
        let keep = |side: &mut Vec<f32>| side.chunks_exact_mut(head_dim).flat_map(T::keep).collect();
        case.queries.chunks_exact_mut(head_dim).for_each(T::keep_query);
        let (keys, values) = (keep(&mut case.keys), keep(&mut case.values));
        Self { case, keys, values }
    }

    fn inputs(&self) -> Inputs<'_, T> {
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

    /// With pairs, each weight is rounded by 2^-9 of itself; the mean of values differs by up to that
    /// share of the largest value, and so does the sum of weights. With words, 128 weights are rounded
    /// by half of 1/32,767 of the largest weight, and their sum is exact.
    fn tolerance(&self, kernel: Kernel) -> f64 {
        let Case { heads, kv_heads, head_dim, tokens, slots, .. } = self.case;
        let largest = self.case.values.iter().map(|x| f64::from(*x).abs()).fold(0.0, f64::max);
        let plan = Plan::new::<T>(kernel, [heads, kv_heads, head_dim], tokens, slots);
        match plan.layout {
            Layout::Paired => largest * 2f64.powi(-8) + FLOATS,
            Layout::Narrow if T::SCALE > 0 && kernel.pairs::<T>(head_dim) => largest / 512.0 + FLOATS,
            _ => FLOATS,
        }
    }

    /// Checks that every kernel's error is within the tolerance.
    fn check(&self) -> Result<(), TestCaseError> {
        for kernel in Kernel::available() {
            let far = furthest(&self.attend(kernel), self.case.naive());
            prop_assert!(far < self.tolerance(kernel), "{kernel:?}: {far}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_kernel_is_the_naive_one(
        case in any_case((prop_oneof![Just(0.0f32), Just(1e-3), Just(1.0), Just(10.0)], Just(1.0)).prop_map(<[f32; 2]>::from)),
    ) {
        Kept::<bf16>::new(case.clone()).check()?;
        Kept::<u8>::new(case).check()?;
    }

    #[test]
    fn so_it_is_with_scores_around_80(case in any_case(Just([25.0, 0.3]))) {
        Kept::<bf16>::new(case.clone()).check()?;
        Kept::<u8>::new(case).check()?;
    }

    #[test]
    fn rows_of_words_are_the_naive_ones(
        (kv_heads, group, tokens) in (1..3usize, 1..5usize, 1..3usize),
        head_dim in prop::sample::select(&[64usize, 128, 192, 256][..]),
        (cached, masked, seed) in (0..300usize, any::<bool>(), any::<u64>()),
    ) {
        let case = Case::new([kv_heads, group, head_dim, tokens], cached, masked, [1.0, 1.0], seed);
        Kept::<u8>::new(case).check()?;
    }

    #[test]
    fn values_that_are_all_the_same_stay_so(mut case in any_case(Just([3.0, 1.0])), value in -100.0..100f32) {
        case.values.fill(value);
        same_values(&Kept::<bf16>::new(case.clone()))?;
        same_values(&Kept::<u8>::new(case))?;
    }

    #[test]
    fn no_finite_input_makes_nan(
        mut case in any_case(Just([1.0, 1.0])),
        exponents in prop::array::uniform3(-150..128i32),
    ) {
        let limit = f64::from(f32::MAX);
        for (side, numbers) in [&mut case.queries, &mut case.keys, &mut case.values].into_iter().enumerate() {
            for (at, number) in numbers.iter_mut().enumerate() {
                let power = if at % 5 == 4 { 128 } else if at % 3 == 2 { 0 } else { exponents[side] };
                // NaN marks values that must not be read.
                *number = (f64::from(*number) * 2f64.powi(power)).clamp(-limit, limit) as f32;
            }
        }
        let halves = Kept::<bf16>::new(case.clone());
        // A turned value may be eight times as large.
        for numbers in [&mut case.queries, &mut case.keys, &mut case.values] {
            numbers.iter_mut().for_each(|number| *number /= 8.0);
        }
        let bytes = Kept::<u8>::new(case);
        for kernel in Kernel::available() {
            prop_assert!(halves.attend(kernel).iter().all(|value| value.is_finite()), "{kernel:?}");
            prop_assert!(bytes.attend(kernel).iter().all(|value| value.is_finite()), "{kernel:?}");
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

fn same_values<T: Format>(kept: &Kept<T>) -> Result<(), TestCaseError> {
    // Every slot of every head has this row.
    let row = &kept.case.values[..kept.case.head_dim];
    for kernel in Kernel::available() {
        // For int8 with bf16 products, the weights are rounded one by one and their sum is not.
        let far = if T::SCALE > 0 && kernel.pairs::<T>(row.len()) { 1e-3 } else { 4e-6 };
        for output in kept.attend(kernel).chunks(row.len()) {
            let same = output.iter().zip(row).all(|(a, b)| (a - b).abs() <= far * b.abs());
            prop_assert!(same, "{kernel:?}: {output:?}, expected {row:?}");
        }
    }
    Ok(())
}

/// Caches long enough to be cut into chunks, with every layout.
#[test]
fn long_caches_are_naive_and_do_not_depend_on_threads() {
    let shapes = [
        [3, 3, 64, 1],
        [1, 1, 72, 20],
        [2, 3, 20, 2],
        [3, 3, 64, 17],
        [2, 1, 64, 60],
        [1, 3, 33, 9],
        [1, 1, 64, 1],
        [1, 4, 64, 2],
        [2, 2, 128, 1],
        [1, 3, 256, 1],
    ];
    for (seed, shape) in shapes.into_iter().enumerate() {
        for (cached, masked) in [(600, true), (1500, true), (1501, false)] {
            let case = Case::new(shape, cached, masked, [1.0, 1.0], seed as u64);
            naive_on_any_threads(&Kept::<bf16>::new(case.clone()));
            naive_on_any_threads(&Kept::<u8>::new(case));
        }
    }
}

fn naive_on_any_threads<T: Format + Sync>(kept: &Kept<T>) {
    kept.check().unwrap();
    for kernel in Kernel::available() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| kept.attend(kernel))
        };
        let alone = with(1);
        assert!((2..4).all(|threads| with(threads) == alone), "{kernel:?} {:?}", kept.case.mask);
    }
}

/// `|bf16 - f32| / |f32|` for queries, keys and values that are not exact in bf16, as in a model.
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

/// A slot that was never written has an invalid scale.
#[test]
fn a_row_that_is_no_number_is_seen() {
    for (shape, side) in [[1, 3, 64, 1], [1, 3, 64, 20], [1, 1, 20, 1]].into_iter().zip([0, 1, 0]) {
        let mut kept = Kept::<u8>::new(Case::new(shape, 200, true, [1.0, 1.0], 7));
        let row = int8::row_bytes(shape[2]);
        [&mut kept.keys, &mut kept.values][side][100 * row..][..row].fill(u8::MAX);
        for kernel in Kernel::available() {
            assert!(kept.attend(kernel).iter().all(|value| value.is_nan()), "{kernel:?} {shape:?}");
        }
    }
}

#[test]
fn overflow_is_computed_in_f64() {
    for tokens in [1, 9] {
        let mut case = Case::new([1, 1, 2, tokens], 1, false, [1.0, 1.0], 0);
        case.queries.fill(3e38);
        case.keys = [3e38, -3e38].into_iter().cycle().take(case.keys.len()).collect();
        case.values = [f32::from(bf16::MAX), 1.0].into_iter().cycle().take(case.values.len()).collect();
        let halves = Kept::<bf16>::new(case);
        assert_eq!(halves.case.mask, Mask::None);
        for kernel in Kernel::available() {
            let output = halves.attend(kernel);
            assert!(output.chunks(2).all(|row| row == [f32::from(bf16::MAX), 1.0]), "{kernel:?} {output:?}");
        }
    }
}
