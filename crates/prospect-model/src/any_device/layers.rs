//! Layers that more than one sub-model uses.

use candle_core::{DType, Device, Tensor};

use super::weights::OnDevice;
use crate::error::{ModelError, Result};
use crate::placement::Kernels;

/// `y = x W^T + b`.
pub(super) struct Linear {
    /// `[output, input]`
    weight: Tensor,
    bias: Option<Bias>,
    kernels: Kernels,
}

/// Added to outputs of either type.
struct Bias {
    narrow: Tensor,
    wide: Tensor,
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
        Self::of(weights, weight, bias)
    }

    /// A layer of tensors that are already there, `[output, input]` and `[output]`.
    pub(super) fn of(weights: &OnDevice<'_>, weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|narrow| Ok::<_, ModelError>(Bias { wide: wide(&narrow)?, narrow }));
        Ok(Self { weight, bias: bias.transpose()?, kernels: weights.compute.placement.kernels })
    }

    /// Bytes of its weights.
    pub(super) fn weight_bytes(&self) -> usize {
        self.weight.elem_count() * self.weight.dtype().size_in_bytes()
    }

    /// `[rows, input]` to `[rows, output]`, both of the type to compute in.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = x.matmul(&self.weight.t()?)?;
        Ok(match &self.bias {
            Some(bias) => product.broadcast_add(&bias.narrow)?,
            None => product,
        })
    }

    /// `[rows, input]` of the type to compute in to `[rows, output]` in f32, the sums as they were added up: for what goes into a
    /// residual stream, and for logits.
    pub(super) fn forward_wide(&self, x: &Tensor) -> Result<Tensor> {
        let product = wide_product(x, &self.weight, self.kernels)?;
        Ok(match &self.bias {
            Some(bias) => product.broadcast_add(&bias.wide)?,
            None => product,
        })
    }
}

/// `x W^T` in f32.
fn wide_product(x: &Tensor, weight: &Tensor, kernels: Kernels) -> Result<Tensor> {
    if x.dtype() == DType::F32 {
        return Ok(x.matmul(&weight.t()?)?);
    }
    if matches!(x.device(), Device::Cpu) {
        return Ok(wide(x)?.matmul(&wide(weight)?.t()?)?);
    }
    match kernels {
        #[cfg(feature = "cuda")]
        Kernels::Best => Ok(prospect_cuda::wide_product(&x.contiguous()?, weight)?),
        // The tensor library rounds them.
        _ => wide(&x.matmul(&weight.t()?)?),
    }
}

/// In f32; the same tensor if it is already.
pub(super) fn wide(x: &Tensor) -> Result<Tensor> {
    Ok(x.to_dtype(DType::F32)?)
}

/// Layer normalisation over the last dimension.
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
    output: DType,
}

impl LayerNorm {
    pub(super) fn load(weights: &OnDevice<'_>, name: &str, size: usize, eps: f64) -> Result<Self> {
        let read = |part: &str| weights.get_wide(&format!("{name}.{part}"), &[size]);
        let output = weights.compute.dtype;
        Ok(Self { weight: read("weight")?, bias: read("bias")?, eps: eps as f32, output })
    }

    /// Rows side by side: a residual stream in f32, to the type to compute in.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let normed = candle_nn::ops::layer_norm(x, &self.weight, &self.bias, self.eps)?;
        Ok(normed.to_dtype(self.output)?)
    }
}

/// Root-mean-square normalisation over the last dimension.
pub(super) struct RmsNorm {
    weight: Tensor,
    eps: f32,
    output: DType,
}

impl RmsNorm {
    pub(super) fn load(weights: &OnDevice<'_>, name: &str, size: usize, eps: f64) -> Result<Self> {
        let weight = weights.get_wide(&format!("{name}.weight"), &[size])?;
        Ok(Self { weight, eps: eps as f32, output: weights.compute.dtype })
    }

    /// As [`LayerNorm::forward`].
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(candle_nn::ops::rms_norm(x, &self.weight, self.eps)?.to_dtype(self.output)?)
    }
}
