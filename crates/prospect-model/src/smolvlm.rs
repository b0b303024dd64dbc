//! The whole model: vision tower, connector and decoder of one checkpoint folder.

use std::path::Path;

use candle_core::Tensor;
use prospect_context::PositionPolicy;

use crate::any_device::TensorPasses;
use crate::cache::KvCache;
use crate::config::ModelConfig;
use crate::cpu::BufferPasses;
use crate::embeddings::{Embeddings, EncodedImage, ImageEmbeddings, PixelValues};
use crate::error::{ModelError, Result};
use crate::gguf::GgufCheckpoint;
use crate::passes::Passes;
use crate::placement::{Compute, DeviceMemory, Handover, Placement, device_memory};
use crate::stored::{StoredError, StoredTensors};
use crate::weights::Weights;

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

    /// Loads a pair of GGUF files: their values as they are, but in the precisions, in the type and at the place that are asked for.
    ///
    /// # Errors
    /// As [`Self::load_with`].
    pub fn load_gguf(checkpoint: GgufCheckpoint, placement: impl Into<Placement>) -> Result<Self> {
        let config = checkpoint.config().clone();
        Self::of(config, &Weights::Gguf(Box::new(checkpoint)), placement.into())
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
            true => Box::new(BufferPasses::load(weights, &config, compute.placement.precisions)?),
            false => Box::new(TensorPasses::load(weights, &config, &compute)?),
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
        let decoding = self.passes.decoding()?;
        KvCache::new(&self.config.text_config, max_seq_len, policy, &self.compute, decoding)
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
