//! Weights as every kernel reads them: panels of [`PANEL`] output channels, input by input, in one sequential stream.
//!
//! The layout does not depend on the instruction set, so one copy serves one row (read at memory speed) and many rows
//! (kept in cache, reused by every tile of rows), and a fallback can be forced without packing anew.

use std::ops::Range;

use rayon::prelude::*;

use super::error::LinearError;
use super::memory::Steps;

/// Output channels of a panel: two AVX-512 registers of f32 or i32.
pub(super) const PANEL: usize = 32;

/// Inputs whose int8 products one 32-bit lane adds up at once.
pub(super) const QUAD: usize = 4;

/// Inputs of the smallest group that shares a scale in int8. The published widths are multiples of it, but for one.
pub(super) const GROUP: usize = 64;

/// Inputs of the largest group: f32 still has its integer sum exactly.
const MAX_INPUTS_PER_SCALE: usize = 1024;

/// Quads of a group.
pub(super) const GROUP_QUADS: usize = GROUP / QUAD;

/// Largest magnitude of a quantised value. -128 is left out, so that a value has a negative and |a * b| stays below 2^14,
/// two of which fit the i16 that AVX2 adds pairs of products in.
pub(super) const MAX_QUANTISED: f32 = 127.0;

/// The weights of one input for the channels of a panel, aligned so that no load crosses a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct F32Step(pub(super) [f32; PANEL]);

/// As [`F32Step`], of weights that are bf16 as they come: half the memory, and the same values once they are widened.
///
/// Channel i stands beside channel i + 16, so that a shift and a mask widen 16 pairs at once to two registers of f32.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Bf16Step(pub(super) [[u16; 2]; PANEL / 2]);

/// The weights of four inputs for the channels of a panel, `[channel, 4]`, each with 128 added: VNNI multiplies unsigned by
/// signed bytes.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Int8Step(pub(super) [u8; PANEL * QUAD]);

/// The weights of [`GROUP`] inputs for the channels of a panel: `weight = scale[channel] * (byte - 128)`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Int8Group {
    pub(super) scales: Bf16Step,
    pub(super) steps: [Int8Step; GROUP_QUADS],
}

/// A matrix `[outputs, inputs]` of floats.
pub(super) struct FloatPanels {
    pub(super) steps: FloatWeights,
    /// `[panel]`
    pub(super) bias: Vec<[f32; PANEL]>,
}

/// `[panel, input]`
pub(super) enum FloatWeights {
    F32(Steps<F32Step>),
    Bf16(Steps<Bf16Step>),
}

/// Some of the steps of [`FloatWeights`], as a kernel reads them; both give the same bits.
#[derive(Clone, Copy)]
pub(super) enum FloatSteps<'a> {
    F32(&'a [F32Step]),
    Bf16(&'a [Bf16Step]),
}

/// A matrix `[outputs, inputs]` of int8.
pub(super) struct Int8Panels {
    /// `[panel, input / GROUP]`, zero behind the last input.
    pub(super) groups: Steps<Int8Group>,
    /// Groups that share their scales.
    pub(super) span: usize,
    /// `[panel]`
    pub(super) bias: Vec<[f32; PANEL]>,
}

impl F32Step {
    fn set(&mut self, channel: usize, weight: f32) {
        self.0[channel] = weight;
    }
}

impl Bf16Step {
    const ZERO: Self = Self([[0; 2]; PANEL / 2]);

    /// Whether `weight` is a bf16, which ends 16 bits earlier than an f32.
    fn holds(weight: f32) -> bool {
        weight.to_bits() & 0xFFFF == 0
    }

    fn set(&mut self, channel: usize, weight: f32) {
        let half = PANEL / 2;
        self.0[channel % half][channel / half] = (weight.to_bits() >> 16) as u16;
    }

    fn get(&self, channel: usize) -> f32 {
        let half = PANEL / 2;
        f32::from_bits(u32::from(self.0[channel % half][channel / half]) << 16)
    }

    pub(super) fn widen(&self) -> [f32; PANEL] {
        std::array::from_fn(|channel| self.get(channel))
    }
}

impl FloatPanels {
    /// Packs the rows of `weight` with their biases, each `[inputs]` and scalar.
    pub(super) fn pack(rows: &[&[f32]], bias: &[f32], inputs: usize) -> Self {
        let steps = if rows.iter().copied().flatten().copied().all(Bf16Step::holds) {
            FloatWeights::Bf16(pack_steps(rows, inputs, Bf16Step::ZERO, Bf16Step::set))
        } else {
            FloatWeights::F32(pack_steps(rows, inputs, F32Step([0.0; PANEL]), F32Step::set))
        };
        Self { steps, bias: padded_panels(bias) }
    }

    pub(super) fn weight_bytes(&self) -> usize {
        match &self.steps {
            FloatWeights::F32(steps) => size_of_val(&**steps),
            FloatWeights::Bf16(steps) => size_of_val(&**steps),
        }
    }

    /// The weights of one output channel, `[inputs]`.
    pub(super) fn read(&self, channel: usize, weights: &mut [f32]) {
        let (panel, channel) = (channel / PANEL, channel % PANEL);
        match self.steps(panel..panel + 1, weights.len()) {
            FloatSteps::F32(steps) => {
                weights.iter_mut().zip(steps).for_each(|(weight, step)| *weight = step.0[channel]);
            }
            FloatSteps::Bf16(steps) => {
                weights.iter_mut().zip(steps).for_each(|(weight, step)| *weight = step.get(channel));
            }
        }
    }

    /// The steps of some panels of `inputs`.
    pub(super) fn steps(&self, panels: Range<usize>, inputs: usize) -> FloatSteps<'_> {
        let range = panels.start * inputs..panels.end * inputs;
        match &self.steps {
            FloatWeights::F32(steps) => FloatSteps::F32(&steps[range]),
            FloatWeights::Bf16(steps) => FloatSteps::Bf16(&steps[range]),
        }
    }
}

fn pack_steps<Step: Copy + Send>(
    rows: &[&[f32]],
    inputs: usize,
    zero: Step,
    set: impl Fn(&mut Step, usize, f32) + Sync,
) -> Steps<Step> {
    let mut steps = vec![zero; rows.len().div_ceil(PANEL) * inputs];
    let panels = steps.par_chunks_exact_mut(inputs).zip(rows.par_chunks(PANEL));
    panels.for_each(|(panel, rows)| {
        for (channel, row) in rows.iter().enumerate() {
            for (step, &weight) in panel.iter_mut().zip(*row) {
                set(step, channel, weight);
            }
        }
    });
    steps.into()
}

impl Int8Panels {
    /// Quantises and packs the rows, each group of inputs with the scale that maps its largest magnitude to 127.
    pub(super) fn pack(
        rows: &[&[f32]],
        bias: &[f32],
        inputs: usize,
        inputs_per_scale: usize,
    ) -> Result<Self, LinearError> {
        let allowed = (GROUP..=MAX_INPUTS_PER_SCALE).contains(&inputs_per_scale);
        if !allowed || !inputs_per_scale.is_multiple_of(GROUP) {
            let (unit, most) = (GROUP, MAX_INPUTS_PER_SCALE);
            return Err(LinearError::InputsPerScale { actual: inputs_per_scale, unit, most });
        }
        if let Some(channel) = rows.iter().position(|row| !row.iter().all(|weight| weight.is_finite())) {
            return Err(LinearError::NotFinite { channel });
        }
        let (count, span) = (inputs.div_ceil(GROUP), inputs_per_scale / GROUP);
        let zero = Int8Group { scales: Bf16Step::ZERO, steps: [Int8Step([128; PANEL * QUAD]); GROUP_QUADS] };
        let mut groups = vec![zero; rows.len().div_ceil(PANEL) * count];
        for (panel, rows) in groups.chunks_exact_mut(count).zip(rows.chunks(PANEL)) {
            for (channel, row) in rows.iter().enumerate() {
                for (groups, weights) in panel.chunks_mut(span).zip(row.chunks(inputs_per_scale)) {
                    let scale = Int8Group::scale(weights);
                    for (group, weights) in groups.iter_mut().zip(weights.chunks(GROUP)) {
                        group.set(channel, scale, weights);
                    }
                }
            }
        }
        Ok(Self { groups: groups.into(), span, bias: padded_panels(bias) })
    }
}

impl Int8Group {
    /// What maps the largest magnitude to 127, rounded up to a bf16, so that no weight is larger than 127 of it.
    fn scale(weights: &[f32]) -> f32 {
        let largest = weights.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        f32::from_bits((largest / MAX_QUANTISED).to_bits().next_multiple_of(1 << 16))
    }

    /// Quantises the weights of one channel.
    fn set(&mut self, channel: usize, scale: f32, weights: &[f32]) {
        self.scales.set(channel, scale);
        for (step, weights) in self.steps.iter_mut().zip(weights.chunks(QUAD)) {
            for (slot, &weight) in step.0[channel * QUAD..].iter_mut().zip(weights) {
                // 0 / 0 is a NaN, which becomes 0.
                *slot = ((f64::from(weight) / f64::from(scale)).round() as i8).cast_unsigned() ^ 0x80;
            }
        }
    }
}

/// `[outputs]` to `[panel, channel]`, zero behind the last output.
fn padded_panels(bias: &[f32]) -> Vec<[f32; PANEL]> {
    let padded = |bias: &[f32]| std::array::from_fn(|index| bias.get(index).copied().unwrap_or(0.0));
    bias.chunks(PANEL).map(padded).collect()
}
