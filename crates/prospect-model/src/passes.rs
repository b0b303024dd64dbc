//! The forward passes of a model, by what computes them.

use candle_core::{DType, Tensor};

use crate::any_device;
use crate::cache::KvCache;
use crate::config::ModelConfig;
use crate::cpu::{self, Chunk};
use crate::error::{ModelError, Result};
use crate::placement::{Compute, Handover};
use crate::rotary::Rotary;
use crate::sampling::{Choice, argmax};
use crate::weights::Weights;

/// Vision tower, connector and decoder.
pub(crate) enum Passes {
    /// Over buffers, by our own kernels.
    Cpu(Box<(cpu::VisionEncoder, cpu::Decoder)>),
    /// Over tensors, on any device.
    Tensors(Box<(any_device::VisionEncoder, any_device::Decoder)>),
}

impl Passes {
    pub(crate) fn load(weights: &Weights, config: &ModelConfig, compute: &Compute) -> Result<Self> {
        let (vision, text, tied) = (&config.vision_config, &config.text_config, config.tie_word_embeddings);
        let (scale, hidden) = (config.scale_factor, text.hidden_size);
        let precisions = compute.placement.precisions;
        Ok(match compute.over_buffers() {
            true => {
                // The larger one first: while a part is loaded, it takes more than afterwards.
                let decoder = cpu::Decoder::load(weights, text, tied, precisions.decoder)?;
                let vision = cpu::VisionEncoder::load(weights, vision, scale, hidden, precisions)?;
                Self::Cpu(Box::new((vision, decoder)))
            }
            false => {
                // Images are encoded beside the stream.
                let beside = any_device::OnDevice { weights, compute: &compute.beside()? };
                let on_device = any_device::OnDevice { weights, compute };
                let vision = any_device::VisionEncoder::load(&beside, vision, scale, hidden)?;
                Self::Tensors(Box::new((vision, any_device::Decoder::load(&on_device, text, tied)?)))
            }
        })
    }

    /// Pixels to hidden states of the vision tower, `[tiles, patches, vision hidden]`, row-major.
    pub(crate) fn hidden_states(&self, pixels: &[f32], tiles: usize) -> Result<Vec<f32>> {
        match self {
            Self::Cpu(passes) => passes.0.hidden_states(pixels, tiles),
            Self::Tensors(passes) => to_floats(&passes.0.hidden_states(pixels, tiles)?),
        }
    }

    /// Pixels to embeddings of image tokens, `[image tokens, hidden]`, for the decoder's stream to take.
    pub(crate) fn encode(&self, pixels: &[f32], tiles: usize, hidden: usize) -> Result<Handover> {
        let embeddings = match self {
            Self::Cpu(passes) => {
                let values = passes.0.encode(pixels, tiles)?;
                Tensor::from_vec(values, ((), hidden), &candle_core::Device::Cpu)?
            }
            Self::Tensors(passes) => passes.0.encode(pixels, tiles)?,
        };
        Ok(Handover::of(embeddings)?)
    }

    /// Embeddings of words in the vocabulary, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32], hidden: usize) -> Result<Tensor> {
        match self {
            Self::Cpu(passes) => {
                let mut rows = vec![0.0; ids.len() * hidden];
                passes.1.embed(ids, &mut rows);
                Ok(Tensor::from_vec(rows, (ids.len(), hidden), &candle_core::Device::Cpu)?)
            }
            Self::Tensors(passes) => passes.1.embed(ids),
        }
    }

    /// Runs a chunk behind what `cache` holds and leaves its tokens in it. The logits of its last `rows` tokens, `[rows, vocab]`,
    /// replace what is in `logits`.
    pub(crate) fn forward(
        &self,
        chunk: Chunk<'_>,
        cache: &mut KvCache,
        rows: usize,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        match self {
            Self::Cpu(passes) => passes.1.forward(chunk, cache, rows, logits),
            Self::Tensors(passes) => passes.1.forward(chunk, cache, rows, logits),
        }
    }

    /// Runs a chunk as [`Self::forward`] does and returns what its last logits let expect; `logits` is room for them, if they come
    /// back from the device at all.
    pub(crate) fn choose(
        &self,
        chunk: Chunk<'_>,
        cache: &mut KvCache,
        silence: u32,
        logits: &mut Vec<f32>,
    ) -> Result<Choice> {
        let cached = cache.len();
        if let Self::Tensors(passes) = self {
            let choice = passes.1.choose(chunk, cache, silence);
            if let Some(choice) = choice.inspect_err(|_| cache.truncate(cached))? {
                return Ok(choice);
            }
            // Again, for the logit that is at fault.
            cache.truncate(cached);
        }
        self.forward(chunk, cache, 1, logits)?;
        check_finite(logits, logits.len()).inspect_err(|_| cache.truncate(cached))?;
        Ok(Choice::of(logits, silence))
    }

    /// Puts one word into the cache and returns the likeliest that follows; `logits` is room that lives from token to token.
    pub(crate) fn likeliest(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<u32> {
        let cached = cache.len();
        if let Self::Tensors(passes) = self {
            let likeliest = passes.1.likeliest(id, cache);
            if let Some(likeliest) = likeliest.inspect_err(|_| cache.truncate(cached))? {
                return Ok(likeliest);
            }
            // Again, for the logit that is at fault.
            cache.truncate(cached);
        }
        self.forward(Chunk::Words(&[id]), cache, 1, logits)?;
        check_finite(logits, logits.len()).inspect_err(|_| cache.truncate(cached))?;
        Ok(argmax(logits))
    }

    /// Bytes of weights that every frame reads, as they are held.
    pub(crate) fn vision_weight_bytes(&self) -> usize {
        match self {
            Self::Cpu(passes) => passes.0.weight_bytes(),
            Self::Tensors(passes) => passes.0.weight_bytes(),
        }
    }

    /// Bytes of weights that every token reads, as they are held.
    pub(crate) fn decoder_weight_bytes(&self) -> usize {
        match self {
            Self::Cpu(passes) => passes.1.weight_bytes(),
            Self::Tensors(passes) => passes.1.weight_bytes(),
        }
    }

    pub(crate) fn rotary(&self) -> &Rotary {
        match self {
            Self::Cpu(passes) => passes.1.rotary(),
            Self::Tensors(passes) => passes.1.rotary(),
        }
    }
}

/// Fails at the first logit that is not finite, of rows of `vocab`.
pub(crate) fn check_finite(logits: &[f32], vocab: usize) -> Result<()> {
    match logits.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(ModelError::NonFiniteLogits { value: logits[at], token: at % vocab }),
        None => Ok(()),
    }
}

/// The values of a tensor, row-major.
pub(crate) fn to_floats(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}
