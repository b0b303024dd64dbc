//! The forward passes on a CPU: buffers that are lent from call to call, kernels of our own, no tensor in between.
//!
//! A layer is two stages with attention between them. Within a stage rows do not know each other, so a thread takes a block of
//! rows through all of it while they are in its second cache (`stage.rs`); where there are too few rows for that, the products are
//! split over threads instead, and the same code runs once. What a row becomes does not depend on the cut, nor on the rows beside it:
//! those of several streams go through the stages together.

mod activation;
mod append;
mod decoder;
mod elementwise;
mod lend;
mod load;
mod patches;
mod sides;
mod stage;
mod vision;

#[doc(hidden)]
pub use append::ZeroToken;
use candle_core::{Device, Tensor};

use crate::config::ModelConfig;
use crate::error::Result;
use crate::passes::{Passes, Piece};
use crate::precisions::Precisions;
use crate::rotary::Rotary;
use crate::weights::Weights;
use decoder::Decoder;
use vision::VisionEncoder;

/// Vision tower, connector and decoder.
pub(crate) struct BufferPasses {
    vision: VisionEncoder,
    decoder: Decoder,
    /// Width of embeddings.
    hidden: usize,
}

impl BufferPasses {
    pub(crate) fn load(weights: &Weights, config: &ModelConfig, precisions: Precisions) -> Result<Self> {
        let (vision, text, tied) = (&config.vision_config, &config.text_config, config.tie_word_embeddings);
        let hidden = text.hidden_size;
        // The larger one first: while a part is loaded, it takes more than afterwards.
        let decoder = Decoder::load(weights, text, tied, precisions.decoder)?;
        let vision = VisionEncoder::load(weights, vision, config.scale_factor, hidden, precisions)?;
        Ok(Self { vision, decoder, hidden })
    }
}

impl Passes for BufferPasses {
    fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>> {
        self.vision.hidden_states(pixels, tiles)
    }

    fn encode(&self, pixels: &[f32], tiles: usize) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.vision.encode(pixels, tiles)?, ((), self.hidden), &Device::Cpu)?)
    }

    /// The 1,024 patches of one tile keep all cores busy. Measured: the same time to 1%, with the buffers of all tiles instead of one's.
    fn gains_by_more_tiles(&self) -> bool {
        false
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        let mut rows = vec![0.0; ids.len() * self.hidden];
        self.decoder.embed(ids, &mut rows);
        Ok(Tensor::from_vec(rows, (ids.len(), self.hidden), &Device::Cpu)?)
    }

    fn check(&self, piece: &Piece<'_>) -> Result<()> {
        self.decoder.check(piece)
    }

    fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()> {
        self.decoder.forward(pieces, logits)
    }

    fn vision_weight_bytes(&self) -> usize {
        self.vision.weight_bytes()
    }

    fn decoder_weight_bytes(&self) -> usize {
        self.decoder.weight_bytes()
    }

    fn rotary(&self) -> &Rotary {
        self.decoder.rotary()
    }
}
