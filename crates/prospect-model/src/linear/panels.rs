//! Weights as every kernel reads them: panels of [`PANEL`] output channels, input by input, in one sequential stream.
//!
//! The layout does not depend on the instruction set, so one copy serves one row (read at memory speed) and many rows
//! (kept in cache, reused by every tile of rows), and a fallback can be forced without packing anew.

use std::ops::Range;

use super::error::LinearError;
use super::kernels::FloatSteps;
use super::memory::Steps;

/// Output channels of a panel: two AVX-512 registers of f32 or i32.
pub(super) const PANEL: usize = 32;

/// Inputs whose int8 products one 32-bit lane adds up at once.
pub(super) const QUAD: usize = 4;

/// The most inputs of an int8 layer: 255 * 127 * 65,536 stays below 2^31.
pub(super) const MAX_INT8_INPUTS: usize = 1 << 16;

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

/// The weights of four inputs for the channels of a panel, `[channel, 4]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Int8Step(pub(super) [i8; PANEL * QUAD]);

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

/// A matrix `[outputs, inputs]` of int8, `weight = scale[output] * quantised`.
pub(super) struct Int8Panels {
    /// `[panel, input / 4]`, zero behind the last input.
    pub(super) steps: Steps<Int8Step>,
    /// Per channel, `[panel]`.
    pub(super) channels: Vec<Int8Channels>,
}

/// What the channels of an int8 panel need besides their weights.
#[derive(Clone)]
pub(super) struct Int8Channels {
    pub(super) scale: [f32; PANEL],
    pub(super) bias: [f32; PANEL],
    /// -128 * the sum of the quantised weights: what a kernel whose activations are shifted by 128 starts from.
    pub(super) shift: [i32; PANEL],
}

impl F32Step {
    fn set(&mut self, channel: usize, weight: f32) {
        self.0[channel] = weight;
    }
}

impl Bf16Step {
    /// Whether `weight` is a bf16, which ends 16 bits earlier than an f32.
    fn holds(weight: f32) -> bool {
        weight.to_bits() & 0xFFFF == 0
    }

    fn set(&mut self, channel: usize, weight: f32) {
        let half = PANEL / 2;
        self.0[channel % half][channel / half] = (weight.to_bits() >> 16) as u16;
    }

    pub(super) fn widen(&self) -> [f32; PANEL] {
        let half = PANEL / 2;
        std::array::from_fn(|channel| f32::from_bits(u32::from(self.0[channel % half][channel / half]) << 16))
    }
}

impl FloatPanels {
    /// Packs the rows of `weight` with their biases, each `[inputs]` and scalar.
    pub(super) fn pack(rows: &[&[f32]], bias: &[f32], inputs: usize) -> Self {
        let steps = if rows.iter().copied().flatten().copied().all(Bf16Step::holds) {
            FloatWeights::Bf16(pack_steps(rows, inputs, Bf16Step([[0; 2]; PANEL / 2]), Bf16Step::set))
        } else {
            FloatWeights::F32(pack_steps(rows, inputs, F32Step([0.0; PANEL]), F32Step::set))
        };
        Self { steps, bias: bias.chunks(PANEL).map(|bias| padded(bias, 0.0)).collect() }
    }

    pub(super) fn weight_bytes(&self) -> usize {
        match &self.steps {
            FloatWeights::F32(steps) => size_of_val(&**steps),
            FloatWeights::Bf16(steps) => size_of_val(&**steps),
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

fn pack_steps<Step: Copy>(
    rows: &[&[f32]],
    inputs: usize,
    zero: Step,
    set: impl Fn(&mut Step, usize, f32),
) -> Steps<Step> {
    let mut steps = vec![zero; rows.len().div_ceil(PANEL) * inputs];
    for (panel, rows) in steps.chunks_exact_mut(inputs).zip(rows.chunks(PANEL)) {
        for (channel, row) in rows.iter().enumerate() {
            for (step, &weight) in panel.iter_mut().zip(*row) {
                set(step, channel, weight);
            }
        }
    }
    steps.into()
}

impl Int8Panels {
    /// Quantises and packs the rows, each with the scale that maps its largest magnitude to 127.
    pub(super) fn pack(rows: &[&[f32]], bias: &[f32], inputs: usize) -> Result<Self, LinearError> {
        if inputs > MAX_INT8_INPUTS {
            return Err(LinearError::TooManyInputs { inputs, limit: MAX_INT8_INPUTS });
        }
        let (panels, quads) = (rows.len().div_ceil(PANEL), inputs.div_ceil(QUAD));
        let mut steps = vec![Int8Step([0; PANEL * QUAD]); panels * quads];
        let mut channels = Vec::with_capacity(panels);
        for (index, (panel, rows)) in steps.chunks_exact_mut(quads).zip(rows.chunks(PANEL)).enumerate() {
            let bias = padded(&bias[index * PANEL..][..rows.len()], 0.0);
            let mut of_panel = Int8Channels { scale: [0.0; PANEL], bias, shift: [0; PANEL] };
            for (channel, row) in rows.iter().enumerate() {
                let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
                if !row.iter().all(|weight| weight.is_finite()) {
                    return Err(LinearError::NotFinite { channel: index * PANEL + channel });
                }
                of_panel.scale[channel] = largest / MAX_QUANTISED;
                of_panel.shift[channel] = -128 * pack_channel(panel, channel, row, largest);
            }
            channels.push(of_panel);
        }
        Ok(Self { steps: steps.into(), channels })
    }
}

/// Writes one quantised row into its panel and returns the sum of the quantised weights.
fn pack_channel(panel: &mut [Int8Step], channel: usize, row: &[f32], largest: f32) -> i32 {
    let mut sum = 0;
    for (step, weights) in panel.iter_mut().zip(row.chunks(QUAD)) {
        for (slot, &weight) in step.0[channel * QUAD..].iter_mut().zip(weights) {
            // Divided in f64, because 127 / largest overflows for the smallest f32; 0 / 0 is a NaN, which becomes 0.
            let quantised = (f64::from(weight) * f64::from(MAX_QUANTISED) / f64::from(largest)).round() as i8;
            *slot = quantised;
            sum += i32::from(quantised);
        }
    }
    sum
}

fn padded<T: Copy>(values: &[T], padding: T) -> [T; PANEL] {
    std::array::from_fn(|index| values.get(index).copied().unwrap_or(padding))
}
