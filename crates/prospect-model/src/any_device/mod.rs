//! The forward passes as tensor operations, for any number type and device. GPUs compute with them. A
//! CPU uses [`crate::cpu`], whose results are compared with these.
//!
//! With 16-bit types, the weights, the cache and the factors of products are in 16 bits. The residual
//! streams, norms, softmax and logits are always f32, so that rounding errors do not add up from layer
//! to layer.
//!
//! Only reading results waits for the device. Weights, rotary tables and cache stay on it.

mod attention;
mod decoder;
mod layers;
mod vision;
mod weights;

use candle_core::Tensor;

use crate::answer::Answer;
use crate::config::ModelConfig;
use crate::error::Result;
use crate::fused::Decoding;
use crate::lend::to_floats;
use crate::passes::{Passes, Piece};
use crate::placement::Compute;
use crate::rotary::Rotary;
use crate::weights::Weights;
use decoder::Decoder;
use vision::VisionEncoder;
use weights::OnDevice;

/// Vision tower, connector and decoder.
pub(crate) struct TensorPasses {
    vision: VisionEncoder,
    decoder: Decoder,
}

impl TensorPasses {
    pub(crate) fn load(weights: &Weights, config: &ModelConfig, compute: &Compute) -> Result<Self> {
        let (vision, text, tied) = (&config.vision_config, &config.text_config, config.tie_word_embeddings);
        // Images are encoded in a CUDA stream of their own, in parallel with the decoder.
        let beside = OnDevice { weights, compute: &compute.beside()? };
        let vision = VisionEncoder::load(&beside, vision, config.scale_factor, text.hidden_size)?;
        let decoder = Decoder::load(&OnDevice { weights, compute }, text, tied)?;
        Ok(Self { vision, decoder })
    }
}

impl Passes for TensorPasses {
    fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>> {
        to_floats(&self.vision.hidden_states(pixels, tiles)?)
    }

    fn encode(&self, pixels: &[f32], tiles: usize) -> Result<Tensor> {
        self.vision.encode(pixels, tiles)
    }

    /// One launch per operation serves all tiles. That this is faster on a GPU is an assumption and was
    /// not measured.
    fn gains_by_more_tiles(&self) -> bool {
        true
    }

    fn decoding(&self) -> Result<Option<Decoding>> {
        self.decoder.decoding()
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        self.decoder.embed(ids)
    }

    fn check(&self, piece: &Piece<'_>) -> Result<()> {
        self.decoder.check(piece)
    }

    fn forward(&self, pieces: &mut [Piece<'_>], logits: &mut Vec<f32>) -> Result<()> {
        self.decoder.forward(pieces, logits)
    }

    fn answer_on_device(&self, piece: &mut Piece<'_>) -> Result<Option<Answer>> {
        self.decoder.answer(piece)
    }

    fn answer_all_on_device(
        &self,
        pieces: &mut [Piece<'_>],
        logits: &mut Vec<f32>,
        answers: &mut Vec<Result<Answer>>,
    ) -> Result<()> {
        self.decoder.answer_all(pieces, logits, answers)
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
