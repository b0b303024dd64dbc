//! The forward passes on a CPU: reused buffers and our own kernels, without tensors in between.
//!
//! A layer consists of two stages with attention between them. Within a stage, rows are independent of
//! each other. A thread therefore takes a block of rows through the whole stage while they are in its
//! second-level cache (`stage.rs`). If there are too few rows for that, the stage runs once, and each
//! product is split over the threads. The result of a row depends neither on the cut nor on the other
//! rows, so the rows of several streams can go through the stages together.

mod activation;
mod append;
mod calibration;
mod decoder;
mod elementwise;
mod lend;
mod load;
mod patches;
mod read_decoder;
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
    /// Size of an embedding.
    hidden: usize,
}

impl BufferPasses {
    pub(crate) fn load(weights: &Weights, config: &ModelConfig, precisions: Precisions) -> Result<Self> {
        let (vision, text, tied) = (&config.vision_config, &config.text_config, config.tie_word_embeddings);
        let hidden = text.hidden_size;
        // The larger part first, because loading needs more memory than the loaded part keeps.
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

    /// The 1,024 patches of one tile keep all cores busy. Measured: several tiles in one call take the
    /// same time to within 1%, and need the buffers of all tiles instead of one.
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
