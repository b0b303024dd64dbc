//! Weights as every kernel reads them: panels of [`PANEL`] output channels, input by input, in one sequential stream.
//!
//! The layout does not depend on the instruction set, so one copy serves one row (read at memory speed) and many rows
//! (kept in cache, reused by every tile of rows), and a fallback can be forced without packing anew.

use std::ops::Range;

use rayon::prelude::*;

use super::memory::Steps;
use crate::rotation;

/// Output channels of a panel: two AVX-512 registers of f32 or i32.
pub(super) const PANEL: usize = 32;

/// Inputs whose int8 products one 32-bit lane adds up at once.
pub(super) const QUAD: usize = 4;

/// Inputs of the smallest group that shares a scale in int8. The published widths are multiples of it, but for one.
pub(super) const GROUP: usize = rotation::BLOCK;

/// Quads of a group.
pub(super) const GROUP_QUADS: usize = GROUP / QUAD;

/// Largest magnitude of a quantised value. -128 is left out, so that a value has a negative and |a * b| stays below 2^14,
/// two of which fit the i16 that AVX2 adds pairs of products in.
pub(super) const MAX_QUANTISED: f32 = 127.0;

/// 1.5 * 2^23: added to an f32 of magnitude below 2^22, it leaves the nearest integer in the low bits of the mantissa. Unlike
/// `round`, it is one instruction everywhere.
pub(super) const ROUNDING: f32 = 12_582_912.0;

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
    /// Whether the weights are those of rotated inputs.
    pub(super) rotated: bool,
    /// `[panel]`
    pub(super) bias: Vec<[f32; PANEL]>,
}

impl F32Step {
    fn set(&mut self, channel: usize, weight: f32) {
        self.0[channel] = weight;
    }
}

impl Bf16Step {
    pub(super) const ZERO: Self = Self([[0; 2]; PANEL / 2]);

    /// Whether `weight` is a bf16, which ends 16 bits earlier than an f32.
    fn holds(weight: f32) -> bool {
        weight.to_bits() & 0xFFFF == 0
    }

    pub(super) fn set(&mut self, channel: usize, weight: f32) {
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

/// `[outputs]` to `[panel, channel]`, zero behind the last output.
pub(super) fn padded_panels(bias: &[f32]) -> Vec<[f32; PANEL]> {
    let padded = |bias: &[f32]| std::array::from_fn(|index| bias.get(index).copied().unwrap_or(0.0));
    bias.chunks(PANEL).map(padded).collect()
}
