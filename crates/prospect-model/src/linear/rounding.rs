//! Rounds weights to int8 and packs them.

use rayon::prelude::*;

use super::error::LinearError;
use super::panels::{
    Bf16Step, GROUP, GROUP_QUADS, Int8Group, Int8Panels, Int8Step, MAX_QUANTISED, PANEL, QUAD, padded_panels,
};
use super::statistics::{Compensation, GroupWeights};
use crate::rotation::rotate;

/// Inputs of the largest group: f32 still has its integer sum exactly.
const MAX_INPUTS_PER_SCALE: usize = 1024;

/// How a matrix becomes int8.
pub(super) struct Rounding<'a> {
    pub(super) inputs: usize,
    pub(super) inputs_per_scale: usize,
    pub(super) rotated: bool,
    /// `[inputs / GROUP]`; without them, every weight becomes the nearest number.
    pub(super) compensations: Option<&'a [Compensation]>,
}

impl Rounding<'_> {
    /// Packs a matrix of as many rows as there are biases. `read` copies one of them, `[inputs]`. Each group of inputs has the
    /// scale that maps its largest magnitude to 127. If the weights are rotated, zeros fill the last group first.
    pub(super) fn pack(
        &self,
        bias: &[f32],
        read: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Result<Int8Panels, LinearError> {
        let allowed = (GROUP..=MAX_INPUTS_PER_SCALE).contains(&self.inputs_per_scale);
        if !allowed || !self.inputs_per_scale.is_multiple_of(GROUP) {
            let (unit, most) = (GROUP, MAX_INPUTS_PER_SCALE);
            return Err(LinearError::InputsPerScale { actual: self.inputs_per_scale, unit, most });
        }
        let count = self.inputs.div_ceil(GROUP);
        let zero = Int8Group { scales: Bf16Step::ZERO, steps: [Int8Step([128; PANEL * QUAD]); GROUP_QUADS] };
        let mut groups = vec![zero; bias.len().div_ceil(PANEL) * count];
        let panels = groups.par_chunks_exact_mut(count).enumerate();
        let failed = panels.filter_map(|(panel, groups)| {
            let channels = panel * PANEL..bias.len().min((panel + 1) * PANEL);
            let rows = channels.map(|channel| self.row(channel, &read));
            rows.collect::<Result<Vec<_>, _>>().map(|rows| self.panel(&rows, groups)).err()
        });
        match failed.min() {
            Some(channel) => Err(LinearError::NotFinite { channel }),
            None => Ok(Int8Panels {
                groups: groups.into(),
                span: self.inputs_per_scale / GROUP,
                rotated: self.rotated,
                bias: padded_panels(bias),
            }),
        }
    }

    /// The weights of one channel, rotated if they are to be; its number if one of them is not finite.
    fn row(&self, channel: usize, read: impl Fn(usize, &mut [f32])) -> Result<Vec<f32>, usize> {
        let mut row = vec![0.0; self.inputs];
        read(channel, &mut row);
        if !row.iter().all(|weight| weight.is_finite()) {
            return Err(channel);
        }
        if self.rotated {
            row.resize(self.inputs.next_multiple_of(GROUP), 0.0);
            rotate(&mut row);
        }
        Ok(row)
    }

    /// Packs the rows of one panel.
    fn panel(&self, rows: &[Vec<f32>], groups: &mut [Int8Group]) {
        let span = self.inputs_per_scale / GROUP;
        for (channel, row) in rows.iter().enumerate() {
            for (groups, weights) in groups.chunks_mut(span).zip(row.chunks(self.inputs_per_scale)) {
                let scale = Int8Group::scale(weights);
                for (group, weights) in groups.iter_mut().zip(weights.chunks(GROUP)) {
                    group.scales.set(channel, scale);
                    if self.compensations.is_none() {
                        group.set(channel, weights.iter().map(|weight| nearest(*weight, scale)));
                    }
                }
            }
        }
        for ((index, group), compensation) in
            groups.iter_mut().enumerate().zip(self.compensations.into_iter().flatten())
        {
            let mut weights: GroupWeights = [[0.0; PANEL]; GROUP];
            for (channel, row) in rows.iter().enumerate() {
                let values = row[index * GROUP..].iter().take(GROUP);
                weights.iter_mut().zip(values).for_each(|(weights, value)| weights[channel] = *value);
            }
            let bytes = compensation.round(&mut weights, &group.scales.widen());
            for channel in 0..rows.len() {
                group.set(channel, bytes.iter().map(|bytes| bytes[channel]));
            }
        }
    }
}

/// 0 / 0 is a NaN, which becomes 0.
fn nearest(weight: f32, scale: f32) -> i8 {
    (f64::from(weight) / f64::from(scale)).round() as i8
}

impl Int8Group {
    /// What maps the largest magnitude to 127, rounded up to a bf16, so that no weight is larger than 127 of it.
    fn scale(weights: &[f32]) -> f32 {
        let largest = weights.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        f32::from_bits((largest / MAX_QUANTISED).to_bits().next_multiple_of(1 << 16))
    }

    /// Sets the weights of one channel.
    fn set(&mut self, channel: usize, weights: impl Iterator<Item = i8>) {
        for (index, weight) in weights.enumerate() {
            self.steps[index / QUAD].0[channel * QUAD + index % QUAD] = weight.cast_unsigned() ^ 0x80;
        }
    }
}
