//! A linear layer in memory: packed once, read by every product.

use super::error::LinearError;
use super::kernels::Isa;
use super::memory;
use super::panels::{FloatPanels, FloatWeights, GROUP, Int8Panels};

/// The type that inputs and weights are multiplied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// f32 weights and inputs. Weights that are all representable in bf16 are kept as such, which changes no bit.
    F32,
    /// int8 weights and inputs, each with a scale for so many of them.
    Int8 {
        /// A multiple of 64. Fewer are more exact, more are faster: every scale costs a conversion for each output.
        inputs_per_scale: usize,
    },
}

/// One of the matrices that [`PackedLinear::stacked`] lays one below the other.
#[derive(Debug, Clone, Copy)]
pub struct StackedMatrix<'a> {
    /// `[outputs, inputs]`, row-major.
    pub weight: &'a [f32],
    /// `[outputs]`
    pub bias: Option<&'a [f32]>,
}

/// A linear layer whose weights lie as its kernels read them.
pub struct PackedLinear {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) weights: PackedWeights,
    pub(super) isa: Isa,
}

pub(super) enum PackedWeights {
    Float(FloatPanels),
    Int8(Int8Panels),
}

impl PackedLinear {
    /// Packs `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`.
    ///
    /// # Errors
    /// Slices of the wrong length; for int8 also a weight that is not finite.
    pub fn new(
        precision: Precision,
        weight: &[f32],
        bias: Option<&[f32]>,
        inputs: usize,
    ) -> Result<Self, LinearError> {
        Self::stacked(precision, &[StackedMatrix { weight, bias }], inputs)
    }

    /// Packs several layers of the same input as one, whose output row is theirs side by side. Query, key and value together
    /// quantise their input once and are split over threads once.
    ///
    /// # Errors
    /// As [`PackedLinear::new`].
    pub fn stacked(
        precision: Precision,
        parts: &[StackedMatrix<'_>],
        inputs: usize,
    ) -> Result<Self, LinearError> {
        if inputs == 0 {
            return Err(LinearError::NoInputs);
        }
        let (mut rows, mut biases) = (Vec::new(), Vec::new());
        for part in parts {
            if !part.weight.len().is_multiple_of(inputs) {
                return Err(LinearError::Weights { actual: part.weight.len(), inputs });
            }
            let outputs = part.weight.len() / inputs;
            match part.bias {
                Some(bias) if bias.len() != outputs => {
                    return Err(LinearError::Bias { actual: bias.len(), outputs });
                }
                Some(bias) => biases.extend_from_slice(bias),
                None => biases.resize(biases.len() + outputs, 0.0),
            }
            rows.extend(part.weight.chunks_exact(inputs));
        }
        let weights = match precision {
            Precision::F32 => PackedWeights::Float(FloatPanels::pack(&rows, &biases, inputs)),
            Precision::Int8 { inputs_per_scale } => {
                PackedWeights::Int8(Int8Panels::pack(&rows, &biases, inputs, inputs_per_scale)?)
            }
        };
        Ok(Self { inputs, outputs: rows.len(), weights, isa: Isa::detect() })
    }

    /// Values of an input row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Values of an output row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The type that the product is computed in.
    pub fn precision(&self) -> Precision {
        match &self.weights {
            PackedWeights::Float(_) => Precision::F32,
            PackedWeights::Int8(panels) => Precision::Int8 { inputs_per_scale: panels.span * GROUP },
        }
    }

    /// Bytes of weights that one row reads.
    pub fn weight_bytes(&self) -> usize {
        match &self.weights {
            PackedWeights::Float(panels) => panels.weight_bytes(),
            PackedWeights::Int8(panels) => size_of_val(&*panels.groups),
        }
    }

    /// The weights of one output channel, `[inputs]`, as they were before they were packed; `false`, and nothing is written, if
    /// they were quantised since.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn read_exact(&self, output: usize, weights: &mut [f32]) -> bool {
        match &self.weights {
            PackedWeights::Float(panels) => panels.read(output, &mut weights[..self.inputs]),
            PackedWeights::Int8(_) => return false,
        }
        true
    }

    /// Moves the weights of all layers of a model into one region of memory with large pages (where Linux has them), which
    /// makes a token 1.3 to 1.6 times as fast. Meanwhile the layer that is being moved is there twice.
    pub fn gather<'a>(layers: impl IntoIterator<Item = &'a mut Self>) {
        let (mut floats, mut halves, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        for layer in layers {
            match &mut layer.weights {
                PackedWeights::Float(FloatPanels { steps: FloatWeights::F32(steps), .. }) => {
                    floats.push(steps)
                }
                PackedWeights::Float(FloatPanels { steps: FloatWeights::Bf16(steps), .. }) => {
                    halves.push(steps)
                }
                PackedWeights::Int8(panels) => bytes.push(&mut panels.groups),
            }
        }
        memory::gather(floats);
        memory::gather(halves);
        memory::gather(bytes);
    }

    /// The same layer with other instructions, for tests and measurements of a fallback.
    #[cfg(test)]
    pub fn with_fallback(mut self, index: usize) -> Option<Self> {
        self.isa = *Isa::available().get(index)?;
        Some(self)
    }
}
