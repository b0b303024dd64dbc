//! Pixel shuffle and one linear layer between vision tower and decoder.

use candle_core::Tensor;

use crate::error::Result;
use crate::layers::Linear;
use crate::weights::Weights;

/// `model.connector`.
pub(crate) struct Connector {
    scale_factor: usize,
    projection: Linear,
}

impl Connector {
    pub(crate) fn load(weights: &Weights, vision: usize, text: usize, scale_factor: usize) -> Result<Self> {
        let input = vision * scale_factor * scale_factor;
        let name = "model.connector.modality_projection.proj";
        Ok(Self { scale_factor, projection: Linear::load(weights, name, text, input, false)? })
    }

    /// `[tiles, side * side, vision hidden]` to `[tiles * (side / scale)^2, text hidden]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (tiles, patches, hidden) = x.dims3()?;
        let side = patches.isqrt();
        let scale = self.scale_factor;
        let (out, block) = (side / scale, scale * scale);
        let x = x.reshape((tiles, side, out, hidden * scale))?;
        let x = x.permute((0, 2, 1, 3))?.contiguous()?.reshape((tiles, out, out, hidden * block))?;
        let x = x.permute((0, 2, 1, 3))?.contiguous()?.reshape((tiles * out * out, hidden * block))?;
        self.projection.forward(&x)
    }
}
