//! The whole model: vision tower, connector and decoder of one checkpoint folder.

use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use prospect_context::PositionPolicy;
use serde::Deserialize;

use crate::cache::{KvCache, SetAside};
use crate::connector::Connector;
use crate::decoder::{Decoder, TextConfig};
use crate::error::{ModelError, Result};
use crate::vision::{VisionConfig, VisionTower};
use crate::weights::{Weights, read_json};

/// config.json of a SmolVLM or Idefics3 checkpoint; unknown keys are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelConfig {
    /// The vision tower.
    #[serde(default)]
    pub vision_config: VisionConfig,
    /// The decoder.
    pub text_config: TextConfig,
    /// Side of the block of patches that becomes one image token.
    #[serde(default = "default_scale_factor")]
    pub scale_factor: usize,
    /// The token at which image embeddings stand.
    pub image_token_id: u32,
    /// Whether the head is the embedding table.
    #[serde(default)]
    pub tie_word_embeddings: bool,
}

fn default_scale_factor() -> usize {
    2
}

impl ModelConfig {
    /// Reads and checks `config.json` in `folder`.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::Config`], [`ModelError::Shape`].
    pub fn from_dir(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let config: Self = read_json(&path)?;
        config.check(&path)?;
        Ok(config)
    }

    /// Image tokens of one frame or tile.
    pub fn image_seq_len(&self) -> usize {
        (self.vision_config.patches_per_side() / self.scale_factor).pow(2)
    }

    /// Bytes of cache that one token takes in f32.
    pub fn kv_bytes_per_token(&self) -> usize {
        let text = &self.text_config;
        text.num_hidden_layers * 2 * text.kv_heads() * text.head_dim() * size_of::<f32>()
    }

    fn check(&self, path: &Path) -> Result<()> {
        let (text, vision) = (&self.text_config, &self.vision_config);
        let multiple = |key, value: usize, of: usize, what: &str| match of {
            0 => Err(shape(path, key, value, format!("{what} to be at least 1"))),
            _ if value == 0 || !value.is_multiple_of(of) => {
                Err(shape(path, key, value, format!("a positive multiple of {of} ({what})")))
            }
            _ => Ok(()),
        };
        multiple(
            "text_config.num_attention_heads",
            text.num_attention_heads,
            text.kv_heads(),
            "the key heads",
        )?;
        multiple("text_config.head_dim", text.head_dim(), 2, "rotary pairs")?;
        multiple("vision_config.hidden_size", vision.hidden_size, vision.num_attention_heads, "the heads")?;
        multiple("vision_config.patch_size", vision.patch_size, 1, "a pixel")?;
        multiple("vision_config.image_size", vision.patches_per_side(), self.scale_factor, "scale_factor")?;
        multiple("text_config.vocab_size", text.vocab_size, 1, "a token")
    }
}

fn shape(path: &Path, key: &'static str, value: usize, expected: String) -> ModelError {
    ModelError::Shape { path: PathBuf::from(path), key, value: value.to_string(), expected }
}

/// Embeddings that stand at image tokens, `[image tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct ImageEmbeddings(Tensor);

/// Input embeddings of a chunk, `[tokens, hidden]`.
#[derive(Debug, Clone)]
pub struct Embeddings(Tensor);

impl Embeddings {
    /// Tokens in the chunk.
    pub fn tokens(&self) -> usize {
        self.0.dims()[0]
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

/// One piece of what an evicted cache is rebuilt from.
#[derive(Debug, Clone)]
pub enum EvictionPiece {
    /// These slots come back.
    Keep(Range<usize>),
    /// These embeddings are prefilled.
    Tokens(Embeddings),
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
        let device = Device::Cpu;
        let weights = Weights::open(folder, &device)?;
        let (vision, text) = (&config.vision_config, &config.text_config);
        Ok(Self {
            vision: VisionTower::load(&weights, vision)?,
            connector: Connector::load(&weights, vision.hidden_size, text.hidden_size, config.scale_factor)?,
            decoder: Decoder::load(&weights, text, config.tie_word_embeddings, &device)?,
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

    /// Token embeddings with `images` in the places of the image tokens, in order.
    pub fn joint_embed(&self, ids: &[u32], images: Option<&ImageEmbeddings>) -> Result<Embeddings> {
        let vocab_size = self.config.text_config.vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(ModelError::TokenId { id, vocab_size });
        }
        let is_image = |id: &u32| *id == self.config.image_token_id;
        let image_tokens = ids.iter().filter(|id| is_image(id)).count();
        let embeddings = images.map_or(0, |images| images.0.dims()[0]);
        if image_tokens != embeddings {
            return Err(ModelError::ImageTokens { image_tokens, embeddings });
        }
        let tokens = self.decoder.embed(&Tensor::new(ids, &self.device)?)?;
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

    /// Puts a chunk into the cache and returns the logits of its last token, `[vocab]`.
    ///
    /// # Errors
    /// [`ModelError::CacheFull`] and [`ModelError::Position`] leave the cache as it was.
    pub fn prefill(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<f32>> {
        let hidden = self.decoder.forward(&chunk.0, cache)?;
        let logits = self.decoder.logits(&hidden.narrow(0, chunk.tokens() - 1, 1)?)?;
        let logits: Vec<f32> = logits.squeeze(0)?.to_vec1()?;
        match logits.iter().position(|value| !value.is_finite()) {
            Some(token) => Err(ModelError::NonFiniteLogits { value: logits[token], token }),
            None => Ok(logits),
        }
    }

    /// As [`Self::prefill`], with the logits of every token, `[tokens][vocab]`: for comparison with other implementations.
    pub fn prefill_all_logits(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<Vec<f32>>> {
        let hidden = self.decoder.forward(&chunk.0, cache)?;
        Ok(self.decoder.logits(&hidden)?.to_vec2()?)
    }

    /// Rebuilds the cache from `pieces`, in order, under its position policy. Returns whether positions were moved back to
    /// start at 0 because the model's maximum was near ([`PositionPolicy::Preserve`] only).
    ///
    /// # Errors
    /// [`ModelError::CacheFull`] if the pieces hold more tokens than the cache; nothing is changed then.
    pub fn evict(&self, cache: &mut KvCache, pieces: &[EvictionPiece]) -> Result<bool> {
        let tokens: usize = pieces.iter().map(EvictionPiece::tokens).sum();
        if tokens > cache.capacity() {
            return Err(ModelError::CacheFull { incoming: tokens, cached: 0, capacity: cache.capacity() });
        }
        let prepared = pieces.iter().map(|piece| match piece {
            EvictionPiece::Keep(range) => Ok(Prepared::Slots(cache.set_aside(range)?)),
            EvictionPiece::Tokens(chunk) => Ok(Prepared::Tokens(&chunk.0)),
        });
        let prepared = prepared.collect::<Result<Vec<_>>>()?;
        let keeps_some = prepared.iter().any(|piece| matches!(piece, Prepared::Slots(_)));
        let policy = cache.policy();
        let stream_position = cache.next_position();
        // Room for a cache that fills up again from here; past that, keys could no longer keep their rotation.
        let positions_reset = policy == PositionPolicy::Preserve
            && keeps_some
            && stream_position + cache.capacity() > self.decoder.rotary().max_positions();
        let turns = policy == PositionPolicy::Rerotate || positions_reset;
        cache.clear();
        for piece in &prepared {
            match piece {
                Prepared::Slots(slots) => match &slots.embeddings {
                    Some(embeddings) => drop(self.decoder.forward(embeddings, cache)?),
                    None => cache.put_back(slots, turns.then(|| self.decoder.rotary()))?,
                },
                Prepared::Tokens(embeddings) => drop(self.decoder.forward(embeddings, cache)?),
            }
            if policy == PositionPolicy::Legacy {
                cache.continue_at(cache.len());
            }
        }
        if policy == PositionPolicy::Preserve && keeps_some && !positions_reset {
            cache.continue_at(stream_position);
        }
        Ok(positions_reset)
    }

    fn pixels(&self, pixels: PixelValues<'_>) -> Result<Tensor> {
        let PixelValues { values, tiles, height, width } = pixels;
        let expected = tiles * 3 * height * width;
        let side = self.config.vision_config.image_size;
        if values.len() != expected || expected == 0 || height != side || width != side {
            return Err(ModelError::Pixels { values: values.len(), tiles, height, width, expected });
        }
        Ok(Tensor::from_slice(values, (tiles, 3, height, width), self.vision.device())?)
    }
}

/// An [`EvictionPiece`] once the cache it is taken from may be emptied.
enum Prepared<'a> {
    Slots(SetAside),
    Tokens(&'a Tensor),
}

impl EvictionPiece {
    /// Tokens it holds.
    pub fn tokens(&self) -> usize {
        match self {
            Self::Keep(range) => range.len(),
            Self::Tokens(chunk) => chunk.tokens(),
        }
    }
}
