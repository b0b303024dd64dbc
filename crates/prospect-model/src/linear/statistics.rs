//! What the inputs of a layer look like, so that its weights can be rounded against each other's errors.
//!
//! Weights that are rounded one by one give errors that add up along the directions in which the inputs
//! are largest. GPTQ (Frantar et al. 2022, arXiv 2210.17323) rounds the weights of a row in order and
//! changes those that follow by what the inputs' second moments say. Here it stays within a group of
//! [`GROUP`] inputs. Measured on a trained decoder, this is as good as whole rows, and it is quick
//! enough for loading (docs/performance.md).
#![allow(unsafe_code, reason = "in the macro that chooses the instructions")]

use std::array::from_fn;

use rayon::prelude::*;

use super::panels::{GROUP, MAX_QUANTISED, PANEL, ROUNDING};
use super::rows::rotated_groups;
use crate::vectorised::vectorised;

/// Share of the mean second moment that is added to every one, because few inputs have been seen.
const DAMPING: f64 = 0.01;

/// A matrix over the inputs of a group.
type Matrix<T> = [[T; GROUP]; GROUP];

/// Second moments of rotated inputs, group by group.
#[derive(Debug, Default)]
pub(super) struct InputStatistics {
    /// `[inputs / GROUP]`, of which the lower triangles are filled.
    moments: Vec<Matrix<f32>>,
    /// Memory for one rotated row.
    rotated: Vec<f32>,
}

/// How an error of each weight of a group is made up for by the weights behind it.
pub(super) struct Compensation(Matrix<f32>);

impl InputStatistics {
    /// Adds rows of inputs, `[rows, inputs]`.
    pub(super) fn add(&mut self, rows: &[f32], inputs: usize) {
        self.moments.resize(inputs.div_ceil(GROUP), [[0.0; GROUP]; GROUP]);
        for row in rows.chunks_exact(inputs) {
            let row = rotated_groups(row, &mut self.rotated);
            for (moments, values) in self.moments.iter_mut().zip(row.as_chunks().0) {
                add_products(moments, values);
            }
        }
    }

    /// The compensation of each group.
    pub(super) fn compensations(&self) -> Vec<Compensation> {
        self.moments.par_iter().map(Compensation::new).collect()
    }
}

vectorised! {
    /// Adds the products of every two values, to the lower triangle at least.
    fn add_products(moments: &mut Matrix<f32>, values: &[f32; GROUP]) {
        for (row, value) in moments.iter_mut().zip(values) {
            row.iter_mut().zip(values).for_each(|(moment, other)| *moment += value * other);
        }
    }
}

impl Compensation {
    /// With `H = V V^T`, `V` upper triangular, the weights behind weight `j` make up for its error by
    /// row `j` of the inverse of `V`, divided by its diagonal.
    fn new(moments: &Matrix<f32>) -> Self {
        let mean = (0..GROUP).map(|index| f64::from(moments[index][index])).sum::<f64>() / GROUP as f64;
        let added = (DAMPING * mean).max(f64::MIN_POSITIVE);
        let mut upper: Matrix<f64> = [[0.0; GROUP]; GROUP];
        for column in (0..GROUP).rev() {
            for row in (0..=column).rev() {
                let known = column + 1..GROUP;
                let sum: f64 = known.map(|index| upper[row][index] * upper[column][index]).sum();
                let moment = f64::from(moments[column][row]) + if row == column { added } else { 0.0 };
                upper[row][column] = match row == column {
                    // The damping keeps it positive, but for rounding.
                    true => (moment - sum).max(added * f64::EPSILON).sqrt(),
                    false => (moment - sum) / upper[column][column],
                };
            }
        }
        Self(from_fn(|row| inverse_row(&upper, row)))
    }

    /// Rounds the weights of a group for the channels of a panel, in order: each to a whole number of
    /// its channel's scale, from -127 to 127. `weights` is used up.
    pub(super) fn round(&self, weights: &mut GroupWeights, scales: &[f32; PANEL]) -> GroupBytes {
        let mut bytes = [[0; PANEL]; GROUP];
        round_in_order(&self.0, weights, scales, &mut bytes);
        bytes
    }
}

/// `[input of the group, channel of the panel]`
pub(super) type GroupWeights = [[f32; PANEL]; GROUP];

/// As [`GroupWeights`].
type GroupBytes = [[i8; PANEL]; GROUP];

/// Row `row` of the inverse of an upper triangular matrix, divided by its first element.
fn inverse_row(upper: &Matrix<f64>, row: usize) -> [f32; GROUP] {
    let mut inverse = [0.0; GROUP];
    inverse[row] = upper[row][row].recip();
    for column in row + 1..GROUP {
        let sum: f64 = (row..column).map(|index| inverse[index] * upper[index][column]).sum();
        inverse[column] = -sum / upper[column][column];
    }
    inverse.map(|value| (value * upper[row][row]) as f32)
}

vectorised! {
    fn round_in_order(
        compensation: &Matrix<f32>,
        weights: &mut GroupWeights,
        scales: &[f32; PANEL],
        bytes: &mut GroupBytes,
    ) {
        // A channel of zeros has the scale 0.
        let inverse = scales.map(|scale| if scale > 0.0 { scale.recip() } else { 0.0 });
        for index in 0..GROUP {
            let (done, behind) = weights.split_at_mut(index + 1);
            let mut errors = done[index];
            for channel in 0..PANEL {
                let steps = (errors[channel] * inverse[channel]).clamp(-MAX_QUANTISED, MAX_QUANTISED);
                let rounded = steps + ROUNDING;
                bytes[index][channel] = rounded.to_bits() as i8;
                errors[channel] -= (rounded - ROUNDING) * scales[channel];
            }
            for (weights, factor) in behind.iter_mut().zip(&compensation[index][index + 1..]) {
                weights.iter_mut().zip(&errors).for_each(|(weight, error)| *weight -= error * factor);
            }
        }
    }
}
