//! Properties of packed layers against naive products.

use proptest::prelude::*;

use super::kernels::Isa;
use super::panels::{GROUP, MAX_QUANTISED};
use super::rows::rotated_groups;
use super::{LinearError, PackedLinear, Precision, StackedMatrix};

const INT8: Precision = Precision::Int8 { inputs_per_scale: GROUP, rotated: false };
const COARSER: Precision = Precision::Int8 { inputs_per_scale: 4 * GROUP, rotated: false };
const ROTATED: Precision = Precision::Int8 { inputs_per_scale: GROUP, rotated: true };

/// Numbers in [-1, 1) that depend on nothing but the seed.
fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

#[derive(Clone)]
struct Case {
    rows: usize,
    inputs: usize,
    outputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
    input: Vec<f32>,
}

impl Case {
    fn new(seed: u64, rows: usize, inputs: usize, outputs: usize) -> Self {
        let weight = random(seed + 1, inputs * outputs);
        let (bias, input) = (random(seed + 2, outputs), random(seed + 3, rows * inputs));
        Self { rows, inputs, outputs, weight, bias, input }
    }

    /// The same with weights that are all bf16.
    fn with_bf16_weights(mut self) -> Self {
        self.weight.iter_mut().for_each(|weight| *weight = f32::from_bits(weight.to_bits() & !0xFFFF));
        self
    }

    fn layer(&self, precision: Precision) -> PackedLinear {
        PackedLinear::new(precision, &self.weight, Some(&self.bias), self.inputs).unwrap()
    }

    fn forward(&self, layer: &PackedLinear) -> Vec<f32> {
        let mut output = vec![f32::NAN; self.rows * self.outputs];
        layer.forward_into(&self.input, self.rows, &mut output).unwrap();
        output
    }

    /// Every instruction set of this machine, the portable one at least.
    fn forwards(&self, precision: Precision) -> Vec<Vec<f32>> {
        (0..Isa::available().len())
            .map(|index| self.forward(&self.layer(precision).with_fallback(index).unwrap()))
            .collect()
    }

    /// `(sum, sum of magnitudes)` of each output in f64, bias included.
    fn naive(&self) -> Vec<(f64, f64)> {
        let output = |row: &[f32], weights: &[f32], bias: f32| {
            let products = row.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w));
            products.chain([f64::from(bias)]).fold((0.0, 0.0), |(sum, size), x| (sum + x, size + x.abs()))
        };
        let outputs =
            |row| self.weight.chunks(self.inputs).zip(&self.bias).map(move |(w, bias)| output(row, w, *bias));
        self.input.chunks(self.inputs).flat_map(outputs).collect()
    }

    /// The case whose int8 product is this one's in rotated int8.
    fn rotated(&self) -> Self {
        let inputs = self.inputs.next_multiple_of(GROUP);
        let rotated = |rows: &[f32]| -> Vec<f32> {
            let mut memory = Vec::new();
            rows.chunks(self.inputs).flat_map(|row| rotated_groups(row, &mut memory).to_vec()).collect()
        };
        Self { inputs, weight: rotated(&self.weight), input: rotated(&self.input), ..self.clone() }
    }

    /// The int8 product from its definition, with integer sums in i64.
    fn naive_int8(&self, inputs_per_scale: usize) -> Vec<f32> {
        let largest = |values: &[f32]| values.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let weights = |group: &[f32]| -> (Vec<i64>, f32) {
            let scale = f32::from_bits((largest(group) / MAX_QUANTISED).to_bits().next_multiple_of(1 << 16));
            (group.iter().map(|x| (f64::from(*x) / f64::from(scale)).round() as i64).collect(), scale)
        };
        let inputs = |group: &[f32]| -> (Vec<i64>, f32) {
            let largest = largest(group);
            let factor = if largest > 0.0 { MAX_QUANTISED / largest } else { 0.0 };
            let bytes = group.iter().map(|x| (x * factor).round_ties_even() as i64);
            (bytes.collect(), largest / MAX_QUANTISED)
        };
        let channels: Vec<Vec<_>> = self
            .weight
            .chunks(self.inputs)
            .map(|row| row.chunks(inputs_per_scale).map(weights).collect())
            .collect();
        let mut all = Vec::new();
        for row in self.input.chunks(self.inputs) {
            let row: Vec<_> = row.chunks(inputs_per_scale).map(inputs).collect();
            for (channel, bias) in channels.iter().zip(&self.bias) {
                all.push(row.iter().zip(channel).fold(*bias, |output, ((x, row_scale), (w, scale))| {
                    let sum: i64 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                    output + sum as f32 * (row_scale * scale)
                }));
            }
        }
        all
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn row_counts() -> impl Strategy<Value = usize> {
    prop_oneof![0..5_usize, 11..15_usize, 22..27_usize, Just(49), Just(101)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn f32_is_the_naive_product(seed in 0..1000_u64, rows in row_counts(), inputs in 1..150_usize, outputs in 1..140_usize) {
        let case = Case::new(seed, rows, inputs, outputs);
        let naive = case.naive();
        for output in case.forwards(Precision::F32) {
            for (actual, (expected, size)) in output.iter().zip(&naive) {
                prop_assert!((f64::from(*actual) - expected).abs() <= 2e-6 * size, "{actual} for {expected}");
            }
        }
    }

    #[test]
    fn bf16_weights_give_the_bits_of_f32_weights(seed in 0..1000_u64, rows in row_counts(), inputs in 1..150_usize, outputs in 1..140_usize) {
        let case = Case::new(seed, rows, inputs, outputs).with_bf16_weights();
        prop_assert_eq!(case.layer(Precision::F32).weight_bytes(), outputs.next_multiple_of(32) * inputs * 2);
        // One weight that is no bf16, in an output of its own, keeps all of them f32.
        let longer = vec![0.1; inputs];
        let parts = [StackedMatrix { weight: &case.weight, bias: Some(&case.bias) }, StackedMatrix { weight: &longer, bias: None }];
        for index in 0..Isa::available().len() {
            let floats = PackedLinear::stacked(Precision::F32, &parts, inputs).unwrap().with_fallback(index).unwrap();
            prop_assert_eq!(floats.weight_bytes(), (outputs + 1).next_multiple_of(32) * inputs * 4);
            let mut expected = vec![0.0; rows * (outputs + 1)];
            floats.forward_into(&case.input, rows, &mut expected).unwrap();
            let actual = case.forward(&case.layer(Precision::F32).with_fallback(index).unwrap());
            for (actual, expected) in actual.chunks(outputs).zip(expected.chunks(outputs + 1)) {
                prop_assert_eq!(bits(actual), bits(&expected[..outputs]));
            }
        }
    }

    #[test]
    fn every_entry_gives_the_same_bits(seed in 0..1000_u64, rows in row_counts(), inputs in 1..150_usize, outputs in 1..140_usize) {
        let case = Case::new(seed, rows, inputs, outputs);
        let residual = random(seed + 4, rows * outputs);
        for (precision, bf16) in [(Precision::F32, false), (Precision::F32, true), (INT8, false), (COARSER, false), (ROTATED, false)] {
            let case = if bf16 { Case::new(seed, rows, inputs, outputs).with_bf16_weights() } else { case.clone() };
            for index in 0..Isa::available().len() {
                let layer = case.layer(precision).with_fallback(index).unwrap();
                let product = case.forward(&layer);
                let mut block = vec![f32::NAN; rows * outputs];
                layer.forward_block(&case.input, rows, &mut block).unwrap();
                prop_assert_eq!(bits(&block), bits(&product));
                let added: Vec<f32> = residual.iter().zip(&product).map(|(old, product)| old + product).collect();
                let mut split = residual.clone();
                layer.accumulate_into(&case.input, rows, &mut split).unwrap();
                prop_assert_eq!(bits(&split), bits(&added));
                let mut block = residual.clone();
                layer.accumulate_block(&case.input, rows, &mut block).unwrap();
                prop_assert_eq!(bits(&block), bits(&added));
            }
        }
    }

    #[test]
    fn int8_has_the_bits_of_its_definition_everywhere(
        seed in 0..1000_u64,
        rows in row_counts(),
        inputs in prop_oneof![1..150_usize, Just(4 * GROUP), 1..700_usize],
        outputs in 1..140_usize,
        groups in 1..6_usize,
        rotated: bool,
    ) {
        let (case, inputs_per_scale) = (Case::new(seed, rows, inputs, outputs), groups * GROUP);
        let rounded = if rotated { case.rotated() } else { case.clone() };
        let expected = bits(&rounded.naive_int8(inputs_per_scale));
        for output in case.forwards(Precision::Int8 { inputs_per_scale, rotated }) {
            prop_assert_eq!(&bits(&output), &expected);
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_others(seed in 0..1000_u64, rows in 1..60_usize, inputs in 1..70_usize, outputs in 1..70_usize) {
        let case = Case::new(seed, rows, inputs, outputs);
        for precision in [Precision::F32, INT8, COARSER, ROTATED] {
            let layer = case.layer(precision);
            let together = case.forward(&layer);
            for (row, expected) in case.input.chunks(inputs).zip(together.chunks(outputs)) {
                let mut output = vec![0.0; outputs];
                layer.forward_into(row, 1, &mut output).unwrap();
                prop_assert_eq!(bits(&output), bits(expected));
            }
        }
    }

    #[test]
    fn wrong_lengths_are_errors(rows in 0..5_usize, given in 0..40_usize, taken in 0..40_usize) {
        for precision in [Precision::F32, INT8] {
            let layer = Case::new(1, 0, 7, 5).layer(precision);
            let mut output = vec![0.0; taken];
            let input = vec![1.0; given];
            let entries = [
                PackedLinear::forward_into,
                PackedLinear::accumulate_into,
                PackedLinear::forward_block,
                PackedLinear::accumulate_block,
            ];
            for entry in entries {
                let result = entry(&layer, &input, rows, &mut output);
                prop_assert_eq!(result.is_ok(), given == rows * 7 && taken == rows * 5);
            }
        }
    }
}

/// The largest magnitudes everywhere: sums of pairs of bytes would saturate an i16 if one kernel used them carelessly.
#[test]
fn the_extremes_do_not_saturate() {
    for (input, weight) in [(127.0, 127.0), (-127.0, 127.0), (127.0, -127.0), (-127.0, -127.0)] {
        let (rows, inputs, outputs) = (25, 4 * GROUP + 1, 33);
        let case = Case {
            rows,
            inputs,
            outputs,
            weight: vec![weight; inputs * outputs],
            bias: vec![0.0; outputs],
            input: vec![input; rows * inputs],
        };
        for output in case.forwards(INT8) {
            assert!(output.iter().all(|value| *value == input * weight * inputs as f32));
        }
    }
}

/// Whole numbers up to 127 quantise to themselves, so the integer sums can be read off the output.
#[test]
fn integer_sums_are_exact() {
    let (rows, inputs, outputs) = (13, 1001, 65);
    let whole = |values: Vec<f32>, width: usize| -> Vec<f32> {
        let mut values: Vec<f32> = values.iter().map(|value| (value * 127.0).round()).collect();
        values.chunks_mut(width).flat_map(|row| row.chunks_mut(GROUP)).for_each(|group| group[0] = 127.0);
        values
    };
    let mut case = Case::new(5, rows, inputs, outputs);
    case.weight = whole(case.weight, inputs);
    case.input = whole(case.input, inputs);
    case.bias.fill(0.0);
    let expected: Vec<f32> = case.naive().iter().map(|(sum, _)| *sum as f32).collect();
    for output in case.forwards(INT8) {
        assert_eq!(output, expected);
    }
}

/// An input's or a weight's outlier whose counterpart is 0 changes nothing, because other groups have scales of their own.
#[test]
fn an_outlier_coarsens_only_its_group() {
    let width = 3 * GROUP;
    let fill = |values: &mut [f32], value| {
        values.chunks_mut(width).for_each(|row| row[GROUP..2 * GROUP].fill(value));
    };
    let mut without = Case::new(6, 2, width, 40);
    fill(&mut without.input, 0.0);
    fill(&mut without.weight, 0.0);
    let expected = without.forwards(INT8);
    let (mut input, mut weight) = (without.clone(), without);
    fill(&mut input.input, 1e6);
    fill(&mut weight.weight, 1e6);
    assert_eq!(input.forwards(INT8), expected);
    assert_eq!(weight.forwards(INT8), expected);
}

/// A language model's features have outliers that are hundreds of times as large as the others.
#[test]
fn a_rotation_spreads_the_outliers_of_the_inputs() {
    let (inputs, outputs) = (4 * GROUP, 65);
    let mut case = Case::new(9, 3, inputs, outputs);
    case.input.iter_mut().step_by(GROUP).for_each(|value| *value *= 300.0);
    let exact = case.naive();
    let error = |precision| {
        let output = case.forward(&case.layer(precision));
        output.iter().zip(&exact).map(|(y, (sum, _))| (f64::from(*y) - sum).powi(2)).sum::<f64>().sqrt()
    };
    assert!(error(ROTATED) < error(INT8) / 2.0, "{} and {}", error(ROTATED), error(INT8));
}

#[test]
fn stacked_layers_are_side_by_side() {
    let (first, second) = (Case::new(1, 3, 20, 33), Case::new(2, 3, 20, 7));
    for precision in [Precision::F32, INT8] {
        let parts = [
            StackedMatrix { weight: &first.weight, bias: Some(&first.bias) },
            StackedMatrix { weight: &second.weight, bias: None },
        ];
        let layer = PackedLinear::stacked(precision, &parts, 20).unwrap();
        let mut output = vec![0.0; 3 * 40];
        layer.forward_into(&first.input, 3, &mut output).unwrap();
        let alone = |weight, bias, outputs: usize| {
            let mut output = vec![0.0; 3 * outputs];
            let layer = PackedLinear::new(precision, weight, bias, 20).unwrap();
            layer.forward_into(&first.input, 3, &mut output).unwrap();
            output
        };
        let left = alone(&first.weight, Some(first.bias.as_slice()), 33);
        let right = alone(&second.weight, None, 7);
        for (row, output) in output.chunks(40).enumerate() {
            assert_eq!(output[..33], left[row * 33..][..33]);
            assert_eq!(output[33..], right[row * 7..][..7]);
        }
    }
}

/// Large enough for a large page, with a layer of the other precision in between.
#[test]
fn gathered_layers_give_the_same_bits() {
    let cases: Vec<Case> = (0..3).map(|seed| Case::new(seed, 3, 900, 700)).collect();
    let precisions = [Precision::F32, INT8, Precision::F32];
    let mut layers: Vec<_> =
        cases.iter().zip(precisions).map(|(case, precision)| case.layer(precision)).collect();
    let forward = |layers: &[PackedLinear]| -> Vec<Vec<u32>> {
        cases.iter().zip(layers).map(|(case, layer)| bits(&case.forward(layer))).collect()
    };
    let before = forward(&layers);
    PackedLinear::gather(&mut layers);
    assert_eq!(forward(&layers), before);
    // Once more, out of a region that they share with a layer that stays there.
    PackedLinear::gather(&mut layers[1..]);
    assert_eq!(forward(&layers), before);
}

/// Products inside of products on the same threads: a thread that waits for one may be given a piece of another.
#[test]
fn products_may_run_side_by_side() {
    let cases: Vec<Case> = (0..8).map(|seed| Case::new(seed, 1 + 13 * seed as usize, 300, 900)).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for precision in [Precision::F32, INT8] {
        let alone: Vec<_> = cases.iter().map(|case| bits(&case.forward(&case.layer(precision)))).collect();
        pool.scope(|scope| {
            for (case, alone) in cases.iter().zip(&alone) {
                scope.spawn(move |_| assert_eq!(&bits(&case.forward(&case.layer(precision))), alone));
            }
        });
    }
}

#[test]
fn values_that_are_not_finite_stay_so() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut case = Case::new(3, 2, 70, 40);
        case.input[75] = bad;
        for precision in [Precision::F32, INT8, COARSER, ROTATED] {
            for output in case.forwards(precision) {
                assert!(output[..40].iter().all(|value| value.is_finite()));
                assert!(output[40..].iter().all(|value| !value.is_finite()));
            }
        }
    }
}

#[test]
fn zeros_and_tiny_rows_give_the_bias() {
    for value in [0.0, 1e-38, f32::MIN_POSITIVE / 2.0] {
        let mut case = Case::new(4, 2, 9, 5);
        case.input.fill(value);
        for output in case.forwards(INT8) {
            assert_eq!(output[..5], case.bias);
        }
        case.weight.fill(value);
        case.input.fill(1.0);
        for output in case.forwards(INT8) {
            assert!(output[..5].iter().zip(&case.bias).all(|(actual, bias)| (actual - bias).abs() < 1e-6));
        }
    }
}

#[test]
fn what_cannot_be_packed_is_an_error() {
    let new = |precision, weight: &[f32], bias: Option<&[f32]>, inputs| {
        PackedLinear::new(precision, weight, bias, inputs).err()
    };
    assert_eq!(new(Precision::F32, &[], None, 0), Some(LinearError::NoInputs));
    assert_eq!(new(Precision::F32, &[1.0; 5], None, 2), Some(LinearError::Weights { actual: 5, inputs: 2 }));
    assert_eq!(new(INT8, &[1.0; 4], Some(&[0.0]), 2), Some(LinearError::Bias { actual: 1, outputs: 2 }));
    let nan = [1.0, 1.0, 1.0, f32::NAN];
    assert_eq!(new(INT8, &nan, None, 2), Some(LinearError::NotFinite { channel: 1 }));
    assert!(new(Precision::F32, &[], None, 3).is_none());
    for actual in [0, 32, 96, 1088] {
        let precision = Precision::Int8 { inputs_per_scale: actual, rotated: false };
        let expected = LinearError::InputsPerScale { actual, unit: 64, most: 1024 };
        assert_eq!(new(precision, &[1.0; 4], None, 2), Some(expected));
    }
}

/// Inputs that have much in common, as those of a model have.
fn correlated(rows: usize, inputs: usize) -> Vec<f32> {
    let shared = random(70, inputs);
    let own = random(71, rows * inputs);
    let row = |(row, own): (usize, &[f32])| -> Vec<f32> {
        let share = 1.0 + (row % 7) as f32;
        shared.iter().zip(own).map(|(shared, own)| share * shared + 0.1 * own).collect()
    };
    own.chunks(inputs).enumerate().flat_map(row).collect()
}

#[test]
fn weights_make_up_for_each_others_rounding() {
    let (rows, inputs) = (200, 3 * GROUP + 5);
    let mut case = Case::new(72, rows, inputs, 65);
    case.input = correlated(rows, inputs);
    let observing = case.layer(Precision::F32).observing();
    let nearest = case.layer(Precision::F32).rounded(GROUP, true).unwrap();
    assert_eq!(bits(&case.forward(&nearest)), bits(&case.forward(&case.layer(ROTATED))));
    observing.observe(&case.input);
    let compensated = observing.rounded(GROUP, true).unwrap();
    assert_eq!(compensated.precision(), ROTATED);
    // The inputs are rounded alike in both; what differs is the error of the weights.
    let exact = case.naive();
    let error = |layer: &PackedLinear| {
        let output = case.forward(layer);
        output.iter().zip(&exact).map(|(y, (sum, _))| (f64::from(*y) - sum).powi(2)).sum::<f64>().sqrt()
    };
    assert!(error(&compensated) < error(&nearest), "{} and {}", error(&compensated), error(&nearest));
}

#[test]
fn products_are_observed_in_every_entry() {
    let case = Case::new(73, 5, 70, 40);
    let by_hand = case.layer(Precision::F32).observing();
    (0..4).for_each(|_| by_hand.observe(&case.input));
    let by_products = case.layer(Precision::F32).observing();
    let mut output = vec![0.0; 5 * 40];
    by_products.forward_into(&case.input, 5, &mut output).unwrap();
    by_products.forward_block(&case.input, 5, &mut output).unwrap();
    by_products.accumulate_into(&case.input, 5, &mut output).unwrap();
    by_products.accumulate_block(&case.input, 5, &mut output).unwrap();
    let [by_hand, by_products] =
        [by_hand, by_products].map(|layer| bits(&case.forward(&layer.rounded(GROUP, true).unwrap())));
    assert_eq!(by_hand, by_products);
    assert_eq!(case.layer(INT8).rounded(GROUP, true).err(), Some(LinearError::Rounded));
}

#[test]
fn weights_are_read_back_as_they_came() {
    let case = Case::new(5, 1, 70, 45);
    for case in [case.clone(), case.with_bf16_weights()] {
        let layer = case.layer(Precision::F32);
        let mut row = [0.0; 70];
        for (output, expected) in case.weight.chunks(70).enumerate() {
            assert!(layer.read_exact(output, &mut row));
            assert_eq!(row, expected);
        }
        assert!(!case.layer(INT8).read_exact(0, &mut row));
    }
}
