//! Layers that several sub-models use.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, Module};

use super::weights::OnDevice;
use crate::error::{ModelError, Result};
use crate::fused::Fused;

/// `y = x W^T + b`.
pub(super) struct Linear {
    /// `[output, input]`
    weight: Tensor,
    bias: Option<Bias>,
    fused: Option<Fused>,
}

/// A bias in both types of output: the computation's type and f32.
struct Bias {
    narrow: Tensor,
    wide: Tensor,
}

impl Linear {
    /// Reads layers with the same input as one layer, whose output is their outputs side by side. One
    /// product then replaces several.
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

    /// A layer from loaded tensors: `weight` `[output, input]` and `bias` `[output]`.
    pub(super) fn of(weights: &OnDevice<'_>, weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|narrow| Ok::<_, ModelError>(Bias { wide: wide(&narrow)?, narrow }));
        Ok(Self { weight, bias: bias.transpose()?, fused: Fused::of(weights.compute) })
    }

    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Size of the weights in bytes.
    pub(super) fn weight_bytes(&self) -> usize {
        self.weight.elem_count() * self.weight.dtype().size_in_bytes()
    }

    /// `[rows, input]` to `[rows, output]`, both in the type of the computation.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = x.matmul(&self.weight.t()?)?;
        match (&self.bias, self.fused) {
            (None, _) => {}
            (Some(bias), Some(fused)) => fused.add_bias(&product, &bias.wide, false)?,
            (Some(bias), None) => return Ok(product.broadcast_add(&bias.narrow)?),
        }
        Ok(product)
    }

    /// As [`Self::forward`], followed by the activation.
    pub(super) fn forward_activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match (&self.bias, self.fused, activation) {
            (Some(bias), Some(fused), Activation::GeluPytorchTanh | Activation::NewGelu) => {
                let product = x.matmul(&self.weight.t()?)?;
                fused.add_bias(&product, &bias.wide, true)?;
                Ok(product)
            }
            _ => Ok(activation.forward(&self.forward(x)?)?),
        }
    }

    /// `[rows, input]` in the type of the computation to `[rows, output]` in f32, without rounding the
    /// sums. For logits, and for the beginning of a residual stream.
    pub(super) fn forward_wide(&self, x: &Tensor) -> Result<Tensor> {
        let product = wide_product(x, &self.weight, self.fused)?;
        Ok(match &self.bias {
            Some(bias) => product.broadcast_add(&bias.wide)?,
            None => product,
        })
    }

    /// Adds the layer's output for `x` to the residual stream `[rows, output]` in f32. Our own kernels
    /// add the product in place and assume that the bias was added before
    /// ([`LayerNorm::forward_ahead_of`]).
    pub(super) fn add_to(&self, residual: Tensor, x: &Tensor) -> Result<Tensor> {
        match self.fused {
            Some(fused) => {
                fused.add_product(&residual, x, &self.weight)?;
                Ok(residual)
            }
            None => Ok((residual + self.forward_wide(x)?)?),
        }
    }
}

/// `x W^T` in f32.
fn wide_product(x: &Tensor, weight: &Tensor, fused: Option<Fused>) -> Result<Tensor> {
    match fused {
        _ if x.dtype() == DType::F32 => Ok(x.matmul(&weight.t()?)?),
        Some(fused) => fused.wide_product(x, weight),
        None if matches!(x.device(), Device::Cpu) => Ok(wide(x)?.matmul(&wide(weight)?.t()?)?),
        // The tensor library rounds the products.
        None => wide(&x.matmul(&weight.t()?)?),
    }
}

/// Converts to f32; a tensor in f32 is returned unchanged.
pub(super) fn wide(x: &Tensor) -> Result<Tensor> {
    Ok(x.to_dtype(DType::F32)?)
}

/// `[rows, 2 * inner]`, gates and values side by side, to `activation(gate) * value`, `[rows, inner]`.
pub(super) fn gated(gate_up: &Tensor, activation: Activation, fused: Option<Fused>) -> Result<Tensor> {
    match (fused, activation) {
        (Some(fused), Activation::Silu | Activation::Swish) => fused.gated(gate_up),
        _ => {
            let inner = gate_up.dim(1)? / 2;
            let gate = activation.forward(&gate_up.narrow(1, 0, inner)?)?;
            Ok((gate * gate_up.narrow(1, inner, inner)?)?)
        }
    }
}

/// Layer normalisation over the last dimension.
pub(super) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
    output: DType,
    fused: Option<Fused>,
}

impl LayerNorm {
    pub(super) fn load(weights: &OnDevice<'_>, name: &str, size: usize, eps: f64) -> Result<Self> {
        let read = |part: &str| weights.get_wide(&format!("{name}.{part}"), &[size]);
        let (output, fused) = (weights.compute.dtype, Fused::of(weights.compute));
        Ok(Self { weight: read("weight")?, bias: read("bias")?, eps: eps as f32, output, fused })
    }

    /// Normalizes rows of a residual stream in f32, and returns them in the type of the computation.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_adding(x, None)
    }

    /// As [`Self::forward`]. `next` is the layer whose output is added to the stream next. Our own
    /// kernels add its bias to the stream here, while they have the row in registers.
    pub(super) fn forward_ahead_of(&self, next: &Linear, x: &Tensor) -> Result<Tensor> {
        self.forward_adding(x, next.bias.as_ref().map(|bias| &bias.wide))
    }

    fn forward_adding(&self, x: &Tensor, pending: Option<&Tensor>) -> Result<Tensor> {
        let Self { weight, bias, eps, output, fused } = self;
        match fused {
            Some(fused) => fused.layer_norm(x, (weight, bias), *eps, pending, *output),
            None => Ok(candle_nn::ops::layer_norm(x, weight, bias, *eps)?.to_dtype(*output)?),
        }
    }
}

/// Root-mean-square normalisation over the last dimension.
pub(super) struct RmsNorm {
    weight: Tensor,
    eps: f32,
    output: DType,
    fused: Option<Fused>,
}

impl RmsNorm {
    pub(super) fn load(weights: &OnDevice<'_>, name: &str, size: usize, eps: f64) -> Result<Self> {
        let weight = weights.get_wide(&format!("{name}.weight"), &[size])?;
        let (output, fused) = (weights.compute.dtype, Fused::of(weights.compute));
        Ok(Self { weight, eps: eps as f32, output, fused })
    }

    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// As [`LayerNorm::forward`].
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.fused {
            Some(fused) => fused.rms_norm(x, &self.weight, self.eps, self.output),
            None => Ok(candle_nn::ops::rms_norm(x, &self.weight, self.eps)?.to_dtype(self.output)?),
        }
    }
}
