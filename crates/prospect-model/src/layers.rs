//! Layers that more than one sub-model uses.

use candle_core::{CpuStorage, Storage, Tensor};

use crate::error::Result;
use crate::linear::{PackedLinear, Precision};
use crate::weights::Weights;

/// `y = x W^T + b`.
pub(crate) struct Linear(PackedLinear);

impl Linear {
    /// Weight `[output, input]` and bias `[output]`.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        output: usize,
        input: usize,
        bias: bool,
    ) -> Result<Self> {
        let weight = weights.get(&format!("{name}.weight"), &[output, input])?;
        let bias = bias.then(|| weights.get(&format!("{name}.bias"), &[output])).transpose()?;
        Self::pack(&weight, bias.as_ref())
    }

    /// The layer of a weight `[output, input]` that is already there.
    pub(crate) fn from_weight(weight: &Tensor) -> Result<Self> {
        Self::pack(weight, None)
    }

    fn pack(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let (_, input) = weight.dims2()?;
        let bias: Option<Vec<f32>> = bias.map(Tensor::to_vec1).transpose()?;
        let packed = with_floats(weight, |weight| {
            Ok(PackedLinear::new(Precision::F32, weight, bias.as_deref(), input)?)
        })?;
        Ok(Self(packed))
    }

    /// `[rows, input]` to `[rows, output]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let rows = x.dim(0)?;
        let mut output = vec![0.0f32; rows * self.0.outputs()];
        with_floats(&x.contiguous()?, |x| Ok(self.0.forward_into(x, rows, &mut output)?))?;
        Ok(Tensor::from_vec(output, (rows, self.0.outputs()), x.device())?)
    }

    /// The weights, to be gathered with those of other layers.
    pub(crate) fn packed(&mut self) -> &mut PackedLinear {
        &mut self.0
    }
}

/// Lends the memory of a contiguous tensor.
fn with_floats<T>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) => read(&data[start..end]),
        _ => Err(candle_core::Error::msg("linear layers are computed in f32 on the CPU").into()),
    }
}

/// Layer normalisation over the last dimension.
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl LayerNorm {
    pub(crate) fn load(weights: &Weights, name: &str, size: usize, eps: f64) -> Result<Self> {
        let weight = weights.get(&format!("{name}.weight"), &[size])?;
        let bias = weights.get(&format!("{name}.bias"), &[size])?;
        Ok(Self { weight, bias, eps: eps as f32 })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, self.eps)?)
    }
}

/// Root-mean-square normalisation over the last dimension.
pub(crate) struct RmsNorm {
    weight: Tensor,
    eps: f32,
}

impl RmsNorm {
    pub(crate) fn load(weights: &Weights, name: &str, size: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: weights.get(&format!("{name}.weight"), &[size])?, eps: eps as f32 })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::rms_norm(&x.contiguous()?, &self.weight, self.eps)?)
    }
}
