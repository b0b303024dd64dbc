//! Reads config.json of a checkpoint and checks it before any tensor is read.

use std::path::Path;

use prospect_processor::read_checkpoint_text;
use serde::Deserialize;

use crate::error::{ModelError, Result};
use crate::precisions::CacheType;
use crate::text_config::TextConfig;
use crate::vision::VisionConfig;

/// Model types with the same computation. They differ only in name.
const MODEL_TYPES: [&str; 2] = ["smolvlm", "idefics3"];

/// Larger than any real size in a config.json. Products of three sizes cannot overflow 64 bits.
const MAX_SIZE: usize = 1 << 20;

/// config.json of a SmolVLM or Idefics3 checkpoint. Unknown keys are ignored, and missing ones have the
/// default of `SmolVLMConfig` in `transformers`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ModelConfig {
    /// `smolvlm` or `idefics3`.
    pub model_type: String,
    /// The vision tower.
    #[serde(default)]
    pub vision_config: VisionConfig,
    /// The decoder.
    pub text_config: TextConfig,
    /// Side of the square of patches that becomes one image token (pixel shuffle).
    #[serde(default = "default_scale_factor")]
    pub scale_factor: usize,
    /// Id of the token that is replaced by an image embedding.
    pub image_token_id: u32,
    /// Whether the output head is the embedding table. As in `transformers`, only this key decides; the
    /// key of the same name in `text_config` is ignored.
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
        let text =
            read_checkpoint_text(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        Self::parse(&text, &path)
    }

    /// Parses and checks the text of a config.json. Error messages name `path`.
    ///
    /// # Errors
    /// As [`Self::from_dir`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let expected = "the configuration of a SmolVLM or Idefics3 checkpoint";
        let malformed = |source| ModelError::Config { path: path.to_owned(), source, expected };
        let config: Self = serde_json::from_str(text).map_err(malformed)?;
        config.check(&Checker { path })?;
        Ok(config)
    }

    /// Number of image tokens of one frame or tile.
    pub fn image_seq_len(&self) -> usize {
        (self.vision_config.patches_per_side() / self.scale_factor).pow(2)
    }

    /// Bytes of keys and values of one token, with this type of cache.
    pub fn kv_bytes_per_token(&self, cache: CacheType) -> usize {
        self.kv_rows_per_token() * cache.row_bytes(self.text_config.head_dim())
    }

    /// Number of key and value rows of one token, over all layers and heads.
    pub(crate) fn kv_rows_per_token(&self) -> usize {
        2 * self.text_config.num_hidden_layers * self.text_config.kv_heads()
    }

    fn check(&self, checker: &Checker<'_>) -> Result<()> {
        if !MODEL_TYPES.contains(&self.model_type.as_str()) {
            return checker.fail("model_type", &self.model_type, "smolvlm or idefics3");
        }
        self.check_sizes(checker)?;
        let (text, vision) = (&self.text_config, &self.vision_config);
        checker.multiple(
            "text_config.num_attention_heads",
            text.num_attention_heads,
            text.kv_heads(),
            "num_key_value_heads",
        )?;
        checker.multiple("text_config.head_dim", text.head_dim(), 2, "rotary pairs")?;
        checker.multiple(
            "vision_config.hidden_size",
            vision.hidden_size,
            vision.num_attention_heads,
            "num_attention_heads",
        )?;
        checker.multiple(
            "vision_config.image_size / patch_size",
            vision.patches_per_side(),
            self.scale_factor,
            "scale_factor",
        )?;
        if self.image_token_id as usize >= text.vocab_size {
            let expected = format!("less than text_config.vocab_size, {}", text.vocab_size);
            return checker.fail("image_token_id", self.image_token_id, expected);
        }
        self.check_supported(checker)
    }

    fn check_sizes(&self, checker: &Checker<'_>) -> Result<()> {
        let (text, vision) = (&self.text_config, &self.vision_config);
        checker.sizes(&[
            ("scale_factor", self.scale_factor),
            ("text_config.hidden_size", text.hidden_size),
            ("text_config.intermediate_size", text.intermediate_size),
            ("text_config.num_hidden_layers", text.num_hidden_layers),
            ("text_config.num_attention_heads", text.num_attention_heads),
            ("text_config.num_key_value_heads", text.kv_heads()),
            ("text_config.head_dim", text.head_dim()),
            ("text_config.vocab_size", text.vocab_size),
            ("text_config.max_position_embeddings", text.max_position_embeddings),
            ("vision_config.hidden_size", vision.hidden_size),
            ("vision_config.intermediate_size", vision.intermediate_size),
            ("vision_config.num_hidden_layers", vision.num_hidden_layers),
            ("vision_config.num_attention_heads", vision.num_attention_heads),
            ("vision_config.image_size", vision.image_size),
            ("vision_config.patch_size", vision.patch_size),
        ])
    }

    /// Refuses options of `LlamaConfig` that no SmolVLM uses. Ignoring them would compute wrong
    /// results.
    fn check_supported(&self, checker: &Checker<'_>) -> Result<()> {
        let text = &self.text_config;
        if text.attention_bias {
            return checker.fail("text_config.attention_bias", true, "false, as every SmolVLM has it");
        }
        if text.mlp_bias {
            return checker.fail("text_config.mlp_bias", true, "false, as every SmolVLM has it");
        }
        if text.rope_type() != "default" {
            return checker.fail(
                "text_config: rope_type",
                text.rope_type(),
                "default, as every SmolVLM has it",
            );
        }
        if text.rope_theta() <= 0.0 {
            return checker.fail("text_config: rope_theta", text.rope_theta(), "more than 0");
        }
        Ok(())
    }
}

/// Makes errors that name the file.
pub(crate) struct Checker<'a> {
    pub(crate) path: &'a Path,
}

impl Checker<'_> {
    pub(crate) fn fail(
        &self,
        key: &'static str,
        value: impl ToString,
        expected: impl Into<String>,
    ) -> Result<()> {
        Err(ModelError::Shape {
            path: self.path.to_owned(),
            key,
            value: value.to_string(),
            expected: expected.into(),
        })
    }

    /// Checks that every size lies between 1 and [`MAX_SIZE`].
    pub(crate) fn sizes(&self, sizes: &[(&'static str, usize)]) -> Result<()> {
        match sizes.iter().find(|(_, value)| !(1..=MAX_SIZE).contains(value)) {
            Some((key, value)) => self.fail(key, value, format!("1 to {MAX_SIZE}")),
            None => Ok(()),
        }
    }

    /// Checks that `value` is a positive multiple of `of`, which is at least 1.
    pub(crate) fn multiple(&self, key: &'static str, value: usize, of: usize, what: &str) -> Result<()> {
        if value == 0 || !value.is_multiple_of(of) {
            return self.fail(key, value, format!("a positive multiple of {of} ({what})"));
        }
        Ok(())
    }
}
