//! Reads weights into the form that the passes use.

use half::bf16;

use crate::error::Result;
use crate::linear::{PackedLinear, Precision, StackedMatrix, give_back};
use crate::weights::Weights;

/// The values of a tensor, row-major.
pub(super) fn floats(weights: &Weights, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    weights.values(name, shape)
}

/// Reads layers with the same input as one layer, whose output is their outputs side by side. `layers`
/// has their names and output sizes.
pub(super) fn stacked<N: AsRef<str>>(
    weights: &Weights,
    precision: Precision,
    layers: &[(N, usize)],
    inputs: usize,
    bias: bool,
) -> Result<PackedLinear> {
    let read = |(name, outputs): &(N, usize)| -> Result<(Vec<f32>, Option<Vec<f32>>)> {
        let name = name.as_ref();
        let weight = floats(weights, &format!("{name}.weight"), &[*outputs, inputs])?;
        let bias = bias.then(|| floats(weights, &format!("{name}.bias"), &[*outputs]));
        Ok((weight, bias.transpose()?))
    };
    let read = layers.iter().map(read).collect::<Result<Vec<_>>>()?;
    let parts: Vec<StackedMatrix<'_>> =
        read.iter().map(|(weight, bias)| StackedMatrix { weight, bias: bias.as_deref() }).collect();
    Ok(PackedLinear::stacked(precision, &parts, inputs)?)
}

/// Reads `count` layers one after the other.
pub(super) fn layers<L>(count: usize, mut read: impl FnMut(usize) -> Result<L>) -> Result<Vec<L>> {
    let read = |number| {
        let layer = read(number)?;
        // Temporary memory of a layer lies between allocations that stay, where an allocator leaves
        // holes.
        give_back();
        Ok(layer)
    };
    (0..count).map(read).collect()
}

/// Weight and bias of a layer norm.
pub(super) struct LayerNorm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl LayerNorm {
    pub(super) fn load(weights: &Weights, name: &str, size: usize) -> Result<Self> {
        let read = |part: &str| floats(weights, &format!("{name}.{part}"), &[size]);
        Ok(Self { weight: read("weight")?, bias: read("bias")? })
    }
}

/// An embedding table `[rows, width]`. It is held in bf16 if that loses nothing.
pub(super) struct Table {
    width: usize,
    values: TableValues,
}

enum TableValues {
    Floats(Vec<f32>),
    Halves(Vec<bf16>),
}

impl Table {
    pub(super) fn new(values: Vec<f32>, width: usize) -> Self {
        let halves = values.iter().all(|value| bf16::from_f32(*value).to_f32().to_bits() == value.to_bits());
        let values = match halves {
            true => TableValues::Halves(values.into_iter().map(bf16::from_f32).collect()),
            false => TableValues::Floats(values),
        };
        Self { width, values }
    }

    /// # Panics
    /// If there is no such row.
    pub(super) fn read(&self, row: usize, into: &mut [f32]) {
        let range = row * self.width..(row + 1) * self.width;
        match &self.values {
            TableValues::Floats(values) => into.copy_from_slice(&values[range]),
            TableValues::Halves(values) => {
                into.iter_mut().zip(&values[range]).for_each(|(into, value)| *into = value.to_f32());
            }
        }
    }
}
