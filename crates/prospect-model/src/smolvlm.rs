//! The whole model: vision tower, connector and decoder of one checkpoint folder.

use std::path::Path;

use candle_core::{Device, Tensor};
use prospect_context::PositionPolicy;

use crate::cache::KvCache;
use crate::config::ModelConfig;
use crate::connector::Connector;
use crate::decoder::Decoder;
use crate::error::{ModelError, Result};
use crate::vision::VisionTower;
use crate::weights::Weights;

/// Embeddings that stand at image tokens, `[image tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct ImageEmbeddings(Tensor);

impl ImageEmbeddings {
    /// Image tokens they stand for.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
    }

    /// The cosine with the embeddings of another frame, token by token: what changes in one part of the picture is seen, though
    /// all the rest is the same. 0 where one of them is zero.
    pub fn cosine(&self, other: &Self) -> Result<f64> {
        let dot = |a: &Tensor, b: &Tensor| -> Result<f64> {
            Ok(f64::from((a * b)?.sum_all()?.to_scalar::<f32>()?))
        };
        let norms = (dot(&self.0, &self.0)? * dot(&other.0, &other.0)?).sqrt();
        Ok(if norms > 0.0 { dot(&self.0, &other.0)? / norms } else { 0.0 })
    }

    /// The values, `[image tokens, hidden]`, row-major: to keep them, or to compare them with another implementation.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        Ok(self.0.flatten_all()?.to_vec1()?)
    }
}

/// Input embeddings of a chunk, `[tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct Embeddings(Tensor);

impl Embeddings {
    /// Tokens in the chunk.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
    }

    pub(crate) fn tensor(&self) -> &Tensor {
        &self.0
    }
}

/// Normalised pixels, `[tiles, 3, height, width]`, row-major.
#[derive(Debug, Clone, Copy)]
pub struct PixelValues<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Frames or tiles.
    pub tiles: usize,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

/// A loaded checkpoint. It holds its weights and no stream: the cache is the caller's.
pub struct SmolVlm {
    config: ModelConfig,
    vision: VisionTower,
    connector: Connector,
    decoder: Decoder,
    device: Device,
}

impl SmolVlm {
    /// Loads a checkpoint folder (one safetensors file or shards; f32, bf16 or f16) and computes in f32 on the CPU.
    ///
    /// # Errors
    /// Anything for which [`ModelError::is_bad_checkpoint`] holds.
    pub fn load(folder: &Path) -> Result<Self> {
        let config = ModelConfig::from_dir(folder)?;
        Self::of(config, &Weights::open(folder, &Device::Cpu)?)
    }

    /// A model of these shapes with random weights, the same ones every time: to measure speed, and nothing else.
    pub fn random(config: ModelConfig) -> Result<Self> {
        Self::of(config, &Weights::random(&Device::Cpu))
    }

    fn of(config: ModelConfig, weights: &Weights) -> Result<Self> {
        let device = Device::Cpu;
        let (vision, text) = (&config.vision_config, &config.text_config);
        Ok(Self {
            vision: VisionTower::load(weights, vision)?,
            connector: Connector::load(weights, vision.hidden_size, text.hidden_size, config.scale_factor)?,
            decoder: Decoder::load(weights, text, config.tie_word_embeddings, &device)?,
            config,
            device,
        })
    }

    /// The checkpoint's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// An empty cache of at most `max_seq_len` tokens.
    pub fn new_cache(&self, max_seq_len: usize, policy: PositionPolicy) -> Result<KvCache> {
        KvCache::new(&self.config.text_config, max_seq_len, policy, &self.device)
    }

    /// Vision tower: pixels to hidden states, `[tiles, patches, vision hidden]`, flattened row-major.
    pub fn vision_output(&self, pixels: PixelValues<'_>) -> Result<Vec<f32>> {
        Ok(self.vision.forward(&self.pixels(pixels)?)?.flatten_all()?.to_vec1()?)
    }

    /// Vision tower and connector: pixels to the embeddings of their image tokens, tile by tile.
    pub fn encode_image(&self, pixels: PixelValues<'_>) -> Result<ImageEmbeddings> {
        Ok(ImageEmbeddings(self.connector.forward(&self.vision.forward(&self.pixels(pixels)?)?)?))
    }

    /// Embeddings that were computed before ([`ImageEmbeddings::to_vec`]), `[image tokens, hidden]`, row-major.
    ///
    /// # Errors
    /// [`ModelError::ImageValues`] unless they are whole rows.
    pub fn image_embeddings(&self, values: &[f32]) -> Result<ImageEmbeddings> {
        let hidden_size = self.config.text_config.hidden_size;
        if !values.len().is_multiple_of(hidden_size) {
            return Err(ModelError::ImageValues { values: values.len(), hidden_size });
        }
        let shape = (values.len() / hidden_size, hidden_size);
        Ok(ImageEmbeddings(Tensor::from_slice(values, shape, &self.device)?))
    }

    /// Token embeddings of words: what the model itself said, even if that was an image token.
    ///
    /// # Errors
    /// [`ModelError::TokenId`].
    pub fn embed_words(&self, ids: &[u32]) -> Result<Embeddings> {
        let vocab_size = self.config.text_config.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(ModelError::TokenId { id, vocab_size });
        }
        Ok(Embeddings(self.decoder.embed(&Tensor::new(ids, &self.device)?)?))
    }

    /// Token embeddings with `images` in the places of the image tokens, in order.
    ///
    /// # Errors
    /// [`ModelError::TokenId`]; [`ModelError::ImageTokens`] if there are not as many of one as of the other.
    pub fn joint_embed(&self, ids: &[u32], images: Option<&ImageEmbeddings>) -> Result<Embeddings> {
        let is_image = |id: &u32| *id == self.config.image_token_id;
        let image_tokens = ids.iter().filter(|id| is_image(id)).count();
        let embeddings = images.map_or(0, ImageEmbeddings::tokens);
        if image_tokens != embeddings {
            return Err(ModelError::ImageTokens { image_tokens, embeddings });
        }
        let Embeddings(tokens) = self.embed_words(ids)?;
        let (mut start, mut row) = (0, 0);
        for run in ids.chunk_by(|a, b| is_image(a) == is_image(b)) {
            // A run is never empty.
            if let (true, Some(images)) = (is_image(&run[0]), images) {
                tokens.slice_set(&images.0.narrow(0, row, run.len())?.force_contiguous()?, 0, start)?;
                row += run.len();
            }
            start += run.len();
        }
        Ok(Embeddings(tokens))
    }

    /// As [`Self::joint_embed`] for a stream's chunk, which may begin with what the model said last: image tokens beyond those
    /// of `images` are words, and they come first.
    ///
    /// # Errors
    /// [`ModelError::TokenId`]; [`ModelError::ImageTokens`] if there are fewer image tokens than embeddings.
    pub fn stream_embed(&self, ids: &[u32], images: Option<&ImageEmbeddings>) -> Result<Embeddings> {
        let image_token_id = self.config.image_token_id;
        let image_tokens = ids.iter().filter(|id| **id == image_token_id).count();
        let said = image_tokens.saturating_sub(images.map_or(0, ImageEmbeddings::tokens));
        let places = ids.iter().enumerate().filter(|(_, id)| **id == image_token_id);
        let Some((last_said, _)) = places.take(said).last() else { return self.joint_embed(ids, images) };
        let (words, chunk) = ids.split_at(last_said + 1);
        let words = self.embed_words(words)?;
        if chunk.is_empty() {
            return Ok(words);
        }
        Ok(Embeddings(Tensor::cat(&[&words.0, &self.joint_embed(chunk, images)?.0], 0)?))
    }

    /// Puts a chunk into the cache and returns the logits of its last token, `[vocab]`.
    ///
    /// # Errors
    /// Every error leaves the cache as it was: [`ModelError::EmptyChunk`], [`ModelError::CacheFull`],
    /// [`ModelError::Position`], [`ModelError::NonFiniteLogits`].
    pub fn prefill(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<f32>> {
        self.forward(chunk, cache, 1)
    }

    /// As [`Self::prefill`], with the logits of every token, `[tokens][vocab]`: for comparison with other implementations.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_all_logits(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<Vec<f32>>> {
        let logits = self.forward(chunk, cache, chunk.tokens())?;
        Ok(logits.chunks_exact(self.config.text_config.vocab_size).map(<[f32]>::to_vec).collect())
    }

    /// Logits of the last `rows` tokens, `[rows, vocab]`, row-major.
    fn forward(&self, chunk: &Embeddings, cache: &mut KvCache, rows: usize) -> Result<Vec<f32>> {
        let (tokens, cached) = (chunk.tokens(), cache.len());
        if tokens == 0 {
            return Err(ModelError::EmptyChunk);
        }
        let hidden = self.decoder.forward(&chunk.0, cache)?;
        let logits = self.finite_logits(&hidden.narrow(0, tokens - rows, rows)?);
        if logits.is_err() {
            cache.truncate(cached);
        }
        logits
    }

    fn finite_logits(&self, hidden: &Tensor) -> Result<Vec<f32>> {
        let logits: Vec<f32> = self.decoder.logits(hidden)?.flatten_all()?.to_vec1()?;
        match logits.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let token = at % self.config.text_config.vocab_size;
                Err(ModelError::NonFiniteLogits { value: logits[at], token })
            }
            None => Ok(logits),
        }
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    fn pixels(&self, pixels: PixelValues<'_>) -> Result<Tensor> {
        let PixelValues { values, tiles, height, width } = pixels;
        let side = self.config.vision_config.image_size;
        // Divided, not multiplied: the caller's numbers may be anything.
        let whole = values.len().is_multiple_of(3 * side * side) && values.len() / (3 * side * side) == tiles;
        if !whole || tiles == 0 || height != side || width != side {
            return Err(ModelError::Pixels { values: values.len(), tiles, height, width, side });
        }
        Ok(Tensor::from_slice(values, (tiles, 3, height, width), self.vision.device())?)
    }
}
