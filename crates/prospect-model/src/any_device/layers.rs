//! Layers that more than one sub-model uses.

use candle_core::Tensor;

use super::weights::OnDevice;
use crate::error::Result;

/// `y = x W^T + b`.
pub(super) struct Linear {
    /// `[output, input]`
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Layers of the same input as one, whose outputs stand side by side: one product instead of several.
    pub(super) fn stacked<N: AsRef<str>>(
        weights: &OnDevice<'_>,
        layers: &[(N, usize)],
        input: usize,
        bias: bool,
    ) -> Result<Self> {
        let read = |part: &str, shape: &dyn Fn(usize) -> Vec<usize>| -> Result<Tensor> {
            let parts = layers
                .iter()
                .map(|(name, output)| weights.get(&format!("{}.{part}", name.as_ref()), &shape(*output)))
                .collect::<Result<Vec<_>>>()?;
            Ok(Tensor::cat(&parts, 0)?)
        };
        let weight = read("weight", &|output| vec![output, input])?;
        let bias = bias.then(|| read("bias", &|output| vec![output])).transpose()?;
        Ok(Self { weight, bias })
    }

    /// A layer of a weight that is already there, `[output, input]`.
    pub(super) fn of(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// Bytes of its weights.
    pub(super) fn weight_bytes(&self) -> usize {
        self.weight.elem_count() * self.weight.dtype().size_in_bytes()
    }

    /// `[rows, input]` to `[rows, output]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = x.matmul(&self.weight.t()?)?;
        Ok(match &self.bias {
            Some(bias) => product.broadcast_add(bias)?,
            None => product,
        })
    }
}

/// Layer normalisation over the last dimension.
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl LayerNorm {
    pub(super) fn load(weights: &OnDevice<'_>, name: &str, size: usize, eps: f64) -> Result<Self> {
        let read = |part: &str| weights.get(&format!("{name}.{part}"), &[size]);
        Ok(Self { weight: read("weight")?, bias: read("bias")?, eps: eps as f32 })
    }

    /// Rows side by side.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::layer_norm(x, &self.weight, &self.bias, self.eps)?)
    }
}

/// Root-mean-square normalisation over the last dimension.
pub(super) struct RmsNorm {
    weight: Tensor,
    eps: f32,
}

impl RmsNorm {
    pub(super) fn load(weights: &OnDevice<'_>, name: &str, size: usize, eps: f64) -> Result<Self> {
        Ok(Self { weight: weights.get(&format!("{name}.weight"), &[size])?, eps: eps as f32 })
    }

    /// Rows side by side.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::rms_norm(x, &self.weight, self.eps)?)
    }
}
