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

/// A loaded checkpoint. It holds the weights and no stream; callers own the caches.
pub struct SmolVlm {
    config: ModelConfig,
    passes: Box<dyn Passes>,
    compute: Compute,
}

impl SmolVlm {
    /// Loads a checkpoint folder (one safetensors file or shards, in f32, bf16 or f16). It computes in
    /// f32 on the CPU.
    ///
    /// # Errors
    /// All errors for which [`ModelError::is_bad_checkpoint`] holds.
    pub fn load(folder: &Path) -> Result<Self> {
        Self::load_with(folder, Placement::default())
    }

    /// As [`Self::load`], with other precisions, another number type or another device.
    ///
    /// # Errors
    /// As [`Self::load`]; [`ModelError::Gpu`]; [`ModelError::Unsupported`].
    pub fn load_with(folder: &Path, placement: impl Into<Placement>) -> Result<Self> {
        let config = ModelConfig::from_dir(folder)?;
        Self::of(config, &Weights::open(folder)?, placement.into())
    }

    /// Loads a pair of GGUF files. Values are decoded and then held in the requested precision, type
    /// and device.
    ///
    /// # Errors
    /// As [`Self::load_with`].
    pub fn load_gguf(checkpoint: GgufCheckpoint, placement: impl Into<Placement>) -> Result<Self> {
        let config = checkpoint.config().clone();
        Self::of(config, &Weights::Gguf(Box::new(checkpoint)), placement.into())
    }

    /// A model of this configuration with random weights, the same ones every time. It is useful only
    /// to measure speed.
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

    /// The device, the number types and the code of the computation.
    pub fn placement(&self) -> Placement {
        self.compute.placement
    }

    /// Bytes of keys and values of one token in the cache.
    pub fn kv_bytes_per_token(&self) -> usize {
        let row = self.compute.cache_row(self.config.text_config.head_dim());
        self.config.kv_rows_per_token() * row * self.compute.cache_dtype().size_in_bytes()
    }

    /// Bytes of one token in a cache with this policy: its keys and values, and also its input
    /// embedding if tokens may be recomputed.
    pub fn cache_bytes_per_token(&self, policy: PositionPolicy) -> usize {
        let embedding = match policy {
            PositionPolicy::Recompute => {
                self.config.text_config.hidden_size * self.compute.placement.dtype.bytes()
            }
            _ => 0,
        };
        self.kv_bytes_per_token() + embedding
    }

    /// Waits until all issued work is done, except images that were not taken yet. A GPU works
    /// asynchronously; measurements need this.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn synchronize(&self) -> Result<()> {
        Ok(self.compute.device.synchronize()?)
    }

    /// Memory of the model's GPU; `None` on the CPU.
    pub fn device_memory(&self) -> Option<DeviceMemory> {
        device_memory(&self.compute.device)
    }

    /// An empty cache for at most `max_seq_len` tokens.
    pub fn new_cache(&self, max_seq_len: usize, policy: PositionPolicy) -> Result<KvCache> {
        let decoding = self.passes.decoding()?;
        KvCache::new(&self.config.text_config, max_seq_len, policy, &self.compute, decoding)
    }

    /// Bytes of weights that are read for every frame (vision tower and connector), in the form in
    /// which they are held.
    pub fn vision_weight_bytes(&self) -> usize {
        self.passes.vision_weight_bytes()
    }

    /// Bytes of weights that are read for every token (decoder and output head), in the form in which
    /// they are held.
    pub fn decoder_weight_bytes(&self) -> usize {
        self.passes.decoder_weight_bytes()
    }

    /// Hidden states of the vision tower, `[tiles, patches, vision hidden]`, row-major.
    pub fn vision_output(&self, pixels: PixelValues<'_>) -> Result<Vec<f32>> {
        self.check_pixels(pixels)?;
        self.passes.hidden_states(pixels.values, pixels.tiles)
    }

    /// Vision tower and connector: the embeddings of the image tokens, `[image tokens, hidden]`, tile
    /// by tile.
    pub fn encode_image(&self, pixels: PixelValues<'_>) -> Result<ImageEmbeddings> {
        self.take_image(&self.encode_beside(pixels)?)
    }

    /// As [`Self::encode_image`] for several images. A GPU encodes them in one pass; a CPU encodes them
    /// one by one. The embeddings are bit-identical to those of single calls on the CPU.
    ///
    /// # Errors
    /// [`ModelError::Pixels`] if an image is not a whole number of tiles; nothing is computed then.
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
            // A copy, so that one stream's embeddings do not keep the memory of the others alive.
            Ok(ImageEmbeddings(all.narrow(0, start - rows, rows)?.force_contiguous()?))
        });
        own.collect()
    }

    /// As [`Self::encode_image`]; the embeddings stay in the CUDA stream in which they are computed.
    pub(crate) fn encode_beside(&self, pixels: PixelValues<'_>) -> Result<EncodedImage> {
        self.check_pixels(pixels)?;
        Ok(EncodedImage(Handover::of(self.passes.encode(pixels.values, pixels.tiles)?)?))
    }

    /// Makes an image from an [`ImageEncoder`](crate::ImageEncoder) of this model available to the
    /// decoder. A GPU waits for the image; the caller does not.
    ///
    /// # Errors
    /// The device fails.
    pub fn take_image(&self, image: &EncodedImage) -> Result<ImageEmbeddings> {
        Ok(ImageEmbeddings(image.0.take(&self.compute.device)?))
    }

    /// Image embeddings from values that were computed earlier ([`ImageEmbeddings::to_vec`]),
    /// `[image tokens, hidden]`, row-major.
    ///
    /// # Errors
    /// [`ModelError::ImageValues`] if the number of values is not a multiple of the hidden size.
    pub fn image_embeddings(&self, values: Vec<f32>) -> Result<ImageEmbeddings> {
        let hidden_size = self.config.text_config.hidden_size;
        if !values.len().is_multiple_of(hidden_size) {
            return Err(ModelError::ImageValues { values: values.len(), hidden_size });
        }
        let shape = (values.len() / hidden_size, hidden_size);
        let values = Tensor::from_vec(values, shape, &self.compute.device)?;
        Ok(ImageEmbeddings(values.to_dtype(self.compute.dtype)?))
    }

    /// Reads embeddings that [`ImageEmbeddings::suspend`] wrote to a file.
    ///
    /// # Errors
    /// [`StoredError`] if they do not fit this model.
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

    /// Embeddings of token ids, `[tokens, hidden]`. An image token is embedded like any other token:
    /// the model may have generated it.
    ///
    /// # Errors
    /// [`ModelError::TokenId`].
    pub fn embed_words(&self, ids: &[u32]) -> Result<Embeddings> {
        self.check_words(ids)?;
        Ok(Embeddings(self.passes.embed(ids)?))
    }

    /// Embeddings of token ids, `[tokens, hidden]`, with the rows of `images` in place of the image
    /// tokens, in order.
    ///
    /// # Errors
    /// [`ModelError::TokenId`]; [`ModelError::ImageTokens`] if the numbers of image tokens and image
    /// embeddings differ.
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
            // A run has at least one id.
            if let (true, Some(images)) = (is_image(&run[0]), images) {
                self.compute.check_own(&images.0)?;
                tokens.slice_set(&images.0.narrow(0, row, run.len())?.force_contiguous()?, 0, start)?;
                row += run.len();
            }
            start += run.len();
        }
        Ok(Embeddings(tokens))
    }

    /// As [`Self::joint_embed`], for a chunk of a stream that may begin with the end of the last reply.
    /// If there are more image tokens than rows of `images`, the first ones were generated by the model
    /// and are embedded like other tokens.
    ///
    /// # Errors
    /// [`ModelError::TokenId`]; [`ModelError::ImageTokens`] if there are fewer image tokens than image
    /// embeddings.
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
        // Divided instead of multiplied, because the caller's numbers could overflow a product.
        let whole = values.len().is_multiple_of(3 * side * side) && values.len() / (3 * side * side) == tiles;
        if !whole || tiles == 0 || height != side || width != side {
            return Err(ModelError::Pixels { values: values.len(), tiles, height, width, side });
        }
        Ok(())
    }
}
