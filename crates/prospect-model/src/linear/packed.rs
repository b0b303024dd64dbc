//! A linear layer in memory: packed once, read by every product.

use std::sync::{Mutex, PoisonError};

use super::error::LinearError;
use super::kernels::Isa;
use super::memory;
use super::panels::{FloatPanels, FloatWeights, GROUP, Int8Panels};
use super::rounding::Rounding;
use super::statistics::InputStatistics;

/// The type that inputs and weights are multiplied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// f32 weights and inputs. Weights that are all representable in bf16 are kept as such, which changes no bit.
    F32,
    /// int8 weights and inputs, each with a scale for so many of them.
    Int8 {
        /// A multiple of 64. Fewer are more exact, more are faster: every scale costs a conversion for each output.
        inputs_per_scale: usize,
        /// Whether each 64 inputs and their weights are rotated before they are rounded, which spreads the outliers of a
        /// language model over their group. The product is the same but for rounding.
        rotated: bool,
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
    /// What its inputs look like, if it observes them.
    pub(super) statistics: Option<Mutex<InputStatistics>>,
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
            Precision::Int8 { inputs_per_scale, rotated } => {
                let rounding = Rounding { inputs, inputs_per_scale, rotated, compensations: None };
                PackedWeights::Int8(rounding.pack(&biases, |output, row| row.copy_from_slice(rows[output]))?)
            }
        };
        Ok(Self { inputs, outputs: rows.len(), weights, isa: Isa::detect(), statistics: None })
    }

    /// The same layer, which remembers what its inputs look like, for [`PackedLinear::rounded`].
    pub fn observing(self) -> Self {
        Self { statistics: Some(Mutex::default()), ..self }
    }

    /// Notes the rows of an input, `[rows, inputs]`, as a product with them does, if the layer observes its inputs.
    pub fn observe(&self, input: &[f32]) {
        if let Some(statistics) = &self.statistics {
            // A poisoned lock is harmless: at worst, a row is in some of the sums.
            statistics.lock().unwrap_or_else(PoisonError::into_inner).add(input, self.inputs);
        }
    }

    /// The layer in int8, see [`Precision::Int8`]. If it has observed its inputs and they are to be rotated, its weights are
    /// rounded against each other's errors.
    ///
    /// # Errors
    /// As [`PackedLinear::new`]; [`LinearError::Rounded`] if the layer is in int8.
    pub fn rounded(&self, inputs_per_scale: usize, rotated: bool) -> Result<Self, LinearError> {
        let PackedWeights::Float(panels) = &self.weights else { return Err(LinearError::Rounded) };
        let observed = self.statistics.as_ref().filter(|_| rotated);
        let compensations = observed
            .map(|statistics| statistics.lock().unwrap_or_else(PoisonError::into_inner).compensations());
        let rounding = Rounding {
            inputs: self.inputs,
            inputs_per_scale,
            rotated,
            compensations: compensations.as_deref(),
        };
        let bias = &panels.bias.as_flattened()[..self.outputs];
        let weights = PackedWeights::Int8(rounding.pack(bias, |output, row| panels.read(output, row))?);
        Ok(Self { inputs: self.inputs, outputs: self.outputs, weights, isa: self.isa, statistics: None })
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
            PackedWeights::Int8(panels) => {
                Precision::Int8 { inputs_per_scale: panels.span * GROUP, rotated: panels.rotated }
            }
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
