//! Operations on values and rows between the products: norms, activations and rotation, all in f32.
#![allow(unsafe_code, reason = "in the macro that chooses the instructions")]

use std::f32::consts::{LOG2_E, PI};

use crate::vectorised::vectorised;

/// Sums use as many lanes as the widest vector has, on every machine, so that all machines get the same
/// bits.
const LANES: usize = 16;

#[inline(always)]
fn sum_of(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for values in whole {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane += term(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += term(*value);
    }
    lanes.iter().sum()
}

vectorised! {
    /// Root-mean-square norm of every row of `x` `[rows, weight.len()]`.
    pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, output: &mut [f32]) {
        for (row, output) in x.chunks_exact(weight.len()).zip(output.chunks_exact_mut(weight.len())) {
            let mean = sum_of(row, |value| value * value) / row.len() as f32;
            let factor = 1.0 / (mean + eps).sqrt();
            for ((output, value), weight) in output.iter_mut().zip(row).zip(weight) {
                *output = value * factor * weight;
            }
        }
    }
}

vectorised! {
    /// Layer norm of every row of `x` `[rows, weight.len()]`.
    pub(super) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, output: &mut [f32]) {
        for (row, output) in x.chunks_exact(weight.len()).zip(output.chunks_exact_mut(weight.len())) {
            let mean = sum_of(row, |value| value) / row.len() as f32;
            let variance = sum_of(row, |value| (value - mean) * (value - mean)) / row.len() as f32;
            let factor = 1.0 / (variance + eps).sqrt();
            for (((output, value), weight), bias) in output.iter_mut().zip(row).zip(weight).zip(bias) {
                *output = (value - mean) * factor * weight + bias;
            }
        }
    }
}

vectorised! {
    /// GELU in its tanh approximation: `x / 2 * (1 + tanh u)` equals `x` times the logistic function of
    /// `2 u`.
    pub(super) fn gelu_tanh(x: &mut [f32]) {
        let steepness = 2.0 * (2.0 / PI).sqrt();
        for value in x {
            let u = *value + 0.044_715 * *value * *value * *value;
            *value *= logistic(steepness * u);
        }
    }
}

vectorised! {
    /// The gated activation of a decoder: `[rows, 2 * inner]`, gates and values side by side, to
    /// `silu(gate) * value`, `[rows, inner]`.
    pub(super) fn silu_gate(x: &[f32], output: &mut [f32], inner: usize) {
        for (row, output) in x.chunks_exact(2 * inner).zip(output.chunks_exact_mut(inner)) {
            let (gates, values) = row.split_at(inner);
            for ((output, gate), value) in output.iter_mut().zip(gates).zip(values) {
                *output = gate * logistic(*gate) * value;
            }
        }
    }
}

vectorised! {
    /// `x += y`
    pub(super) fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }
}

vectorised! {
    /// Rotates every head of a row: feature `i` with feature `i + head_dim / 2`, by cosines and sines
    /// `[head_dim / 2]`.
    pub(super) fn rotate(row: &mut [f32], cos: &[f32], sin: &[f32]) {
        for head in row.chunks_exact_mut(2 * cos.len()) {
            let (first, second) = head.split_at_mut(cos.len());
            for (((first, second), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
                (*first, *second) = (*first * cos - *second * sin, *first * sin + *second * cos);
            }
        }
    }
}

#[inline(always)]
fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// e^x with an error of at most 2 units in the last place. `x` is clamped to -87..88; NaN stays NaN.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding it to a small float leaves the nearest integer in the low bits of the
    // mantissa.
    const ROUNDING: f32 = 12_582_912.0;
    // ln 2 in two parts. The first has few bits, so its product with a small integer is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * LOG2_E + ROUNDING;
    let whole = shifted - ROUNDING;
    let rest = x - whole * LN_2[0] - whole * LN_2[1];
    // The polynomial for e^x on [-ln 2 / 2, ln 2 / 2] from the Cephes library.
    let mut sum = 1.987_569_2e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5] {
        sum = sum * rest + coefficient;
    }
    let fraction = sum * rest * rest + rest + 1.0;
    fraction * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(actual: f32, expected: f64) -> bool {
        (f64::from(actual) - expected).abs() <= 1e-6 * expected.abs().max(1e-3)
    }

    proptest! {
        #[test]
        fn activations_are_those_of_their_formulas(x in -40.0f32..40.0, value in -9.0f32..9.0) {
            let exact = f64::from(x);
            prop_assert!(close(exp(x), exact.exp()), "exp {x}");
            let mut gelu = [x];
            gelu_tanh(&mut gelu);
            let u = (2.0 / std::f64::consts::PI).sqrt() * (exact + 0.044715 * exact.powi(3));
            prop_assert!((f64::from(gelu[0]) - 0.5 * exact * (1.0 + u.tanh())).abs() < 1e-6 * exact.abs().max(1.0));
            let mut gated = [0.0];
            silu_gate(&[x, value], &mut gated, 1);
            prop_assert!(close(gated[0], exact / (1.0 + (-exact).exp()) * f64::from(value)), "silu {x} * {value}");
        }

        #[test]
        fn norms_are_those_of_their_formulas(
            row in prop::collection::vec(-9.0f32..9.0, 1..70),
            weight in -2.0f32..2.0,
            bias in -2.0f32..2.0,
        ) {
            let count = row.len() as f64;
            let moment = |mean: f64| row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count;
            let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
            let (weights, biases) = (vec![weight; row.len()], vec![bias; row.len()]);
            let (mut rms, mut layer) = (vec![0.0; row.len()], vec![0.0; row.len()]);
            rms_norm(&row, &weights, 1e-3, &mut rms);
            layer_norm(&row, &weights, &biases, 1e-3, &mut layer);
            for ((value, rms), layer) in row.iter().zip(rms).zip(layer) {
                let (value, weight) = (f64::from(*value), f64::from(weight));
                prop_assert!((f64::from(rms) - value / (moment(0.0) + 1e-3).sqrt() * weight).abs() < 1e-5);
                let centred = (value - mean) / (moment(mean) + 1e-3).sqrt() * weight + f64::from(bias);
                // The mean is off by a unit in its last place, which counts for more where the values hardly differ.
                let rounding = 1e-5 + 2.0 * f64::from(f32::EPSILON) * mean.abs() / (moment(mean) + 1e-3).sqrt() * weight.abs();
                prop_assert!((f64::from(layer) - centred).abs() < rounding);
            }
        }

        #[test]
        fn a_turn_keeps_lengths_and_turns_back(angle in -3.0f32..3.0, head in prop::array::uniform4(-5.0f32..5.0)) {
            let (cos, sin) = ([angle.cos(), 1.0], [angle.sin(), 0.0]);
            let mut turned = head;
            rotate(&mut turned, &cos, &sin);
            prop_assert!((turned[0].hypot(turned[2]) - head[0].hypot(head[2])).abs() < 1e-5);
            prop_assert_eq!((turned[1], turned[3]), (head[1], head[3]));
            rotate(&mut turned, &cos, &[-sin[0], 0.0]);
            prop_assert!((turned[0] - head[0]).abs() < 1e-5 && (turned[2] - head[2]).abs() < 1e-5);
        }
    }

    #[test]
    fn what_is_no_number_stays_visible() {
        let mut gated = [0.0];
        silu_gate(&[f32::NAN, 1.0], &mut gated, 1);
        assert!(gated[0].is_nan());
        let mut gelu = [f32::NAN, f32::INFINITY];
        gelu_tanh(&mut gelu);
        assert!(gelu[0].is_nan() && gelu[1] == f32::INFINITY);
        assert!(exp(f32::NAN).is_nan());
    }
}
