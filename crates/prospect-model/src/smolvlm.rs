//! The whole model: vision tower, connector and decoder of one checkpoint folder.

use std::fmt;
use std::path::Path;
use std::slice;

use candle_core::{DType, Tensor};
use prospect_context::PositionPolicy;

use crate::any_device;
use crate::batch::{Found, Input};
use crate::cache::KvCache;
use crate::config::ModelConfig;
use crate::cpu;
use crate::error::{ModelError, Result};
use crate::generation::GenerationError;
use crate::passes::{Passes, Wanted, check_finite, to_floats};
use crate::placement::{Compute, DeviceMemory, Handover, Placement, device_memory};
use crate::sampling::Choice;
use crate::stored::{StoredError, StoredTensor, StoredTensors};
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
            let (a, b) = (a.to_dtype(DType::F32)?, b.to_dtype(DType::F32)?);
            Ok(f64::from((a * b)?.sum_all()?.to_scalar::<f32>()?))
        };
        let norms = (dot(&self.0, &self.0)? * dot(&other.0, &other.0)?).sqrt();
        Ok(if norms > 0.0 { dot(&self.0, &other.0)? / norms } else { 0.0 })
    }

    /// The values, `[image tokens, hidden]`, row-major: to keep them, or to compare them with another implementation.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        to_floats(&self.0)
    }
}

impl ImageEmbeddings {
    /// The embeddings as a tensor of a file.
    ///
    /// # Errors
    /// [`StoredError::Tensor`].
    pub fn suspend(&self, name: &str) -> std::result::Result<StoredTensor<'_>, StoredError> {
        StoredTensor::floats(name.to_owned(), &self.0, 0, self.tokens())
    }
}

/// An image that was encoded beside the stream: [`SmolVlm::take_image`].
#[derive(Clone)]
pub struct EncodedImage(Handover);

impl fmt::Debug for EncodedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodedImage")
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
    passes: Box<dyn Passes>,
    compute: Compute,
}

impl SmolVlm {
    /// Loads a checkpoint folder (one safetensors file or shards; f32, bf16 or f16) and computes in f32 on the CPU.
    ///
    /// # Errors
    /// Anything for which [`ModelError::is_bad_checkpoint`] holds.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::load_with(folder, Placement::default())
    }

    /// As [`Self::load`], computing in other precisions, another type or elsewhere.
    ///
    /// # Errors
    /// As [`Self::load`], [`ModelError::Gpu`] and [`ModelError::Unsupported`].
    pub fn load_with(folder: &Path, placement: impl Into<Placement>) -> Result<Self> {
        let config = ModelConfig::from_dir(folder)?;
        Self::of(config, &Weights::open(folder)?, placement.into())
    }

    /// A model of these shapes with random weights, the same ones every time: to measure speed, and nothing else.
    ///
    /// # Errors
    /// [`ModelError::Gpu`], [`ModelError::Unsupported`].
    pub fn random(config: ModelConfig, placement: impl Into<Placement>) -> Result<Self> {
        Self::of(config, &Weights::Random, placement.into())
    }

    fn of(config: ModelConfig, weights: &Weights, placement: Placement) -> Result<Self> {
        let compute = placement.open()?;
        let passes: Box<dyn Passes> = match compute.over_buffers() {
            true => Box::new(cpu::Passes::load(weights, &config, compute.placement.precisions)?),
            false => Box::new(any_device::Passes::load(weights, &config, &compute)?),
        };
        Ok(Self { passes, config, compute })
    }

    /// The checkpoint's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Where it computes, and in which type.
    pub fn placement(&self) -> Placement {
        self.compute.placement
    }

    /// Bytes of keys and values that one token takes in the cache.
    pub fn kv_bytes_per_token(&self) -> usize {
        let row = self.compute.cache_row(self.config.text_config.head_dim());
        self.config.kv_rows_per_token() * row * self.compute.cache_dtype().size_in_bytes()
    }

    /// Bytes that one token takes in a cache of this policy: keys and values, and beside them its input embedding where it may have to
    /// be computed again.
    pub fn cache_bytes_per_token(&self, policy: PositionPolicy) -> usize {
        let embedding = match policy {
            PositionPolicy::Recompute => {
                self.config.text_config.hidden_size * self.compute.placement.dtype.bytes()
            }
            _ => 0,
        };
        self.kv_bytes_per_token() + embedding
    }

    /// Waits until everything is computed that was asked for, but for images that are not taken: a GPU goes on by itself. For
    /// measurements.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn synchronize(&self) -> Result<()> {
        Ok(self.compute.device.synchronize()?)
    }

    /// Memory of the GPU that it computes on; `None` on the CPU.
    pub fn device_memory(&self) -> Option<DeviceMemory> {
        device_memory(&self.compute.device)
    }

    /// An empty cache of at most `max_seq_len` tokens.
    pub fn new_cache(&self, max_seq_len: usize, policy: PositionPolicy) -> Result<KvCache> {
        KvCache::new(&self.config.text_config, max_seq_len, policy, &self.compute)
    }

    /// Bytes of weights that every frame goes through, as they are held: vision tower and connector.
    pub fn vision_weight_bytes(&self) -> usize {
        self.passes.vision_weight_bytes()
    }

    /// Bytes of weights that every token goes through, as they are held: the decoder and its head.
    pub fn decoder_weight_bytes(&self) -> usize {
        self.passes.decoder_weight_bytes()
    }

    /// Vision tower: pixels to hidden states, `[tiles, patches, vision hidden]`, flattened row-major.
    pub fn vision_output(&self, pixels: PixelValues<'_>) -> Result<Vec<f32>> {
        self.check_pixels(pixels)?;
        self.passes.hidden_states(pixels.values, pixels.tiles)
    }

    /// Vision tower and connector: pixels to the embeddings of their image tokens, tile by tile.
    pub fn encode_image(&self, pixels: PixelValues<'_>) -> Result<ImageEmbeddings> {
        self.take_image(&self.encode_beside(pixels)?)
    }

    /// As [`Self::encode_image`] of each: in one pass of the vision tower where that takes less time, which is on a GPU, and one by
    /// one elsewhere, to the same bits.
    ///
    /// # Errors
    /// [`ModelError::Pixels`] if one of them is no whole number of tiles; nothing is computed then.
    pub fn encode_images(&self, images: &[PixelValues<'_>]) -> Result<Vec<ImageEmbeddings>> {
        images.iter().try_for_each(|image| self.check_pixels(*image))?;
        if images.len() < 2 || !self.passes.gains_by_more_tiles() {
            return images.iter().map(|image| self.encode_image(*image)).collect();
        }
        let values: Vec<f32> = images.iter().flat_map(|image| image.values).copied().collect();
        let tiles = images.iter().map(|image| image.tiles).sum();
        let all = Handover::of(self.passes.encode(&values, tiles)?)?.take(&self.compute.device)?;
        let (per_tile, mut start) = (self.config.image_seq_len(), 0);
        let own = images.iter().map(|image| {
            let rows = image.tiles * per_tile;
            start += rows;
            // A copy of its own, so that no stream keeps the memory of the others.
            Ok(ImageEmbeddings(all.narrow(0, start - rows, rows)?.force_contiguous()?))
        });
        own.collect()
    }

    /// As [`Self::encode_image`], with the embeddings where they are computed.
    pub(crate) fn encode_beside(&self, pixels: PixelValues<'_>) -> Result<EncodedImage> {
        self.check_pixels(pixels)?;
        Ok(EncodedImage(Handover::of(self.passes.encode(pixels.values, pixels.tiles)?)?))
    }

    /// What an [`ImageEncoder`](crate::ImageEncoder) of this model has encoded, as the decoder takes it. A GPU waits for it, the caller
    /// does not.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn take_image(&self, image: &EncodedImage) -> Result<ImageEmbeddings> {
        Ok(ImageEmbeddings(image.0.take(&self.compute.device)?))
    }

    /// Embeddings that were computed before ([`ImageEmbeddings::to_vec`]), `[image tokens, hidden]`, row-major.
    ///
    /// # Errors
    /// [`ModelError::ImageValues`] unless they are whole rows.
    pub fn image_embeddings(&self, values: Vec<f32>) -> Result<ImageEmbeddings> {
        let hidden_size = self.config.text_config.hidden_size;
        if !values.len().is_multiple_of(hidden_size) {
            return Err(ModelError::ImageValues { values: values.len(), hidden_size });
        }
        let shape = (values.len() / hidden_size, hidden_size);
        let values = Tensor::from_vec(values, shape, &self.compute.device)?;
        Ok(ImageEmbeddings(values.to_dtype(self.compute.dtype)?))
    }

    /// Embeddings that [`ImageEmbeddings::suspend`] put into a file.
    ///
    /// # Errors
    /// Whatever does not fit this model.
    pub fn resume_embeddings(
        &self,
        name: &str,
        stored: &StoredTensors,
    ) -> std::result::Result<ImageEmbeddings, StoredError> {
        let hidden_size = self.config.text_config.hidden_size;
        let tokens = stored.shape(name)?.first().copied().unwrap_or_default();
        let Compute { device, dtype, .. } = &self.compute;
        Ok(ImageEmbeddings(stored.tensor(name, &[tokens, hidden_size], *dtype, device)?))
    }

    /// Token embeddings of words: what the model itself said, even if that was an image token.
    ///
    /// # Errors
    /// [`ModelError::TokenId`].
    pub fn embed_words(&self, ids: &[u32]) -> Result<Embeddings> {
        self.check_words(ids)?;
        Ok(Embeddings(self.passes.embed(ids)?))
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
                self.compute.check_own(&images.0)?;
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
        let mut logits = Vec::new();
        self.prefill_into(chunk, cache, &mut logits)?;
        Ok(logits)
    }

    /// As [`Self::prefill`], into a buffer that lives from chunk to chunk.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_into(&self, chunk: &Embeddings, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<()> {
        self.put(Input::Chunk(chunk), cache, Wanted::Logits, logits).map(drop)
    }

    /// As [`Self::prefill_into`], and returns what the logits let expect, `silence` being the id of silence. On a GPU that is found
    /// there, and nothing else comes back; elsewhere `logits` are left as they are computed.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_choice(
        &self,
        chunk: &Embeddings,
        cache: &mut KvCache,
        silence: u32,
        logits: &mut Vec<f32>,
    ) -> Result<Choice> {
        let wanted = Wanted::Choice { silence };
        match self.put(Input::Chunk(chunk), cache, wanted, logits)? {
            Found::Choice(choice) => Ok(choice),
            // Never: what is asked for is found.
            _ => Err(GenerationError::NotEnough { wanted }.into()),
        }
    }

    /// Puts one word into the cache, as [`Self::embed_words`] and [`Self::prefill_into`] do, and allocates nothing.
    ///
    /// # Errors
    /// As [`Self::embed_words`] and [`Self::prefill`].
    pub fn decode_into(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<()> {
        self.put(Input::Word(id), cache, Wanted::Logits, logits).map(drop)
    }

    /// Puts one word into the cache and returns the likeliest word that follows. On a GPU the choice is made there, and nothing but
    /// the choice comes back; elsewhere `logits` is room that lives from token to token.
    ///
    /// # Errors
    /// As [`Self::decode_into`].
    pub fn decode_likeliest(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<u32> {
        let wanted = Wanted::Likeliest;
        match self.put(Input::Word(id), cache, wanted, logits)? {
            Found::Likeliest(id) => Ok(id),
            // Never: what is asked for is found.
            _ => Err(GenerationError::NotEnough { wanted }.into()),
        }
    }

    /// As [`Self::prefill`], with the logits of every token, `[tokens][vocab]`: for comparison with other implementations.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_all_logits(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<Vec<f32>>> {
        let (mut logits, vocab) = (Vec::new(), self.config.text_config.vocab_size);
        let input = Input::Chunk(chunk);
        let mut piece = self.piece(&input, cache, Wanted::Logits)?.with_rows(chunk.tokens());
        let passes = self.passes();
        let forward = passes.forward(slice::from_mut(&mut piece), &mut logits);
        forward.and_then(|()| check_finite(&logits, vocab)).inspect_err(|_| piece.undo())?;
        Ok(logits.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
    }

    pub(crate) fn compute(&self) -> &Compute {
        &self.compute
    }

    pub(crate) fn passes(&self) -> &dyn Passes {
        &*self.passes
    }

    pub(crate) fn check_words(&self, ids: &[u32]) -> Result<()> {
        let vocab_size = self.config.text_config.vocab_size;
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(ModelError::TokenId { id, vocab_size }),
            None => Ok(()),
        }
    }

    fn check_pixels(&self, pixels: PixelValues<'_>) -> Result<()> {
        let PixelValues { values, tiles, height, width } = pixels;
        let side = self.config.vision_config.image_size;
        // Divided, not multiplied: the caller's numbers may be anything.
        let whole = values.len().is_multiple_of(3 * side * side) && values.len() / (3 * side * side) == tiles;
        if !whole || tiles == 0 || height != side || width != side {
            return Err(ModelError::Pixels { values: values.len(), tiles, height, width, side });
        }
        Ok(())
    }
}
