//! Converts the metadata of a pair of files to a model configuration.

use serde_json::{Value as Json, json};

use super::error::GgufError;
use super::file::GgufFile;
use super::metadata::{Metadata, needed};
use super::value::Number;
use crate::config::ModelConfig;
use crate::error::{ModelError, Result};

type Found<T> = std::result::Result<T, GgufError>;

/// The token that is replaced by image embeddings.
pub(super) const IMAGE_TOKEN: &str = "<image>";

/// How images become pixels.
pub(super) struct PictureSettings {
    /// The longest edge of an image before it is cut into tiles, in pixels.
    pub(super) longest_edge: usize,
    pub(super) mean: Vec<f64>,
    pub(super) deviation: Vec<f64>,
}

/// The longest edge of an image is this many tiles, as in every SmolVLM2. It is used for files of early
/// 2025, which do not store it.
const TILES_PER_EDGE: usize = 4;

/// The configuration of the model in these files.
pub(super) fn model_config(text: &GgufFile, projector: &GgufFile) -> Result<ModelConfig> {
    let text_config = text_config(text.metadata()).map_err(|fault| text.fault(fault))?;
    let image_token = image_token(text.metadata()).map_err(|fault| text.fault(fault))?;
    // llama.cpp leaves the output head out if it is the embedding table.
    let is_tied = text.tensor("output.weight").is_none();
    if text.tensor("rope_freqs.weight").is_some() {
        let (tensor, expected) = ("rope_freqs.weight", "rotary frequencies without factors");
        return Err(text.fault(GgufError::ForeignTensor { tensor, expected }));
    }
    let vision = vision_config(projector.metadata()).and_then(|vision| {
        check_width(projector.metadata(), &text_config["hidden_size"])?;
        Ok((vision, projector_size(projector.metadata(), "clip.vision.projector.scale_factor")?))
    });
    let (vision_config, scale_factor) = vision.map_err(|fault| projector.fault(fault))?;
    let config = json!({
        "model_type": "smolvlm",
        "image_token_id": image_token,
        "scale_factor": scale_factor,
        "tie_word_embeddings": is_tied,
        "text_config": text_config,
        "vision_config": vision_config,
    });
    ModelConfig::parse(&config.to_string(), text.path())
}

fn text_config(text: &Metadata) -> Found<Json> {
    expect_text(text, "general.architecture", "llama")?;
    if let Some(parts) = text.count("split.count")?.filter(|parts| *parts > 1) {
        return Err(GgufError::Split { parts });
    }
    let size = |key: &str| needed(text.count(key)?, key, "a size of the decoder");
    let heads = size("llama.attention.head_count")?;
    let hidden = size("llama.embedding_length")?;
    let tokens = needed(text.texts(TOKENS)?, TOKENS, "the vocabulary")?.iter().count();
    let head_dim = match text.count("llama.attention.key_length")? {
        Some(head_dim) => head_dim,
        None => hidden / heads.max(1),
    };
    for key in ["llama.attention.value_length", "llama.rope.dimension_count"] {
        if text.count(key)?.is_some_and(|size| size != head_dim) {
            return Err(text.wrong(key, format!("{head_dim}, the size of a head")));
        }
    }
    if text.count("llama.expert_count")?.is_some_and(|experts| experts > 0) {
        return Err(text.wrong("llama.expert_count", "a model without experts"));
    }
    if text.text("llama.rope.scaling.type")?.is_some_and(|scaling| scaling != "none") {
        return Err(text.wrong("llama.rope.scaling.type", "none, as every SmolVLM has it"));
    }
    let epsilon = "llama.attention.layer_norm_rms_epsilon";
    Ok(json!({
        "hidden_size": hidden,
        "intermediate_size": size("llama.feed_forward_length")?,
        "num_hidden_layers": size("llama.block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": text.count("llama.attention.head_count_kv")?.unwrap_or(heads),
        "head_dim": head_dim,
        "vocab_size": text.count("llama.vocab_size")?.unwrap_or(tokens),
        "max_position_embeddings": size("llama.context_length")?,
        "rms_norm_eps": needed(text.real(epsilon)?, epsilon, "the epsilon of the norms")?,
        "rope_theta": text.real("llama.rope.freq_base")?.unwrap_or(10_000.0),
    }))
}

/// The key of the vocabulary.
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";

fn image_token(text: &Metadata) -> Found<usize> {
    let tokens = needed(text.texts(TOKENS)?, TOKENS, "the vocabulary")?;
    let found = tokens.iter().position(|token| token == IMAGE_TOKEN);
    found.ok_or(GgufError::Token { token: IMAGE_TOKEN })
}

fn vision_config(projector: &Metadata) -> Found<Json> {
    expect_text(projector, "general.architecture", "clip")?;
    let kind = ["clip.projector_type", "clip.vision.projector_type"];
    let kind = kind.into_iter().find(|key| projector.get(key).is_some()).unwrap_or(kind[0]);
    expect_text(projector, kind, "idefics3")?;
    if projector.flag("clip.use_gelu")? != Some(true) {
        return Err(projector.wrong("clip.use_gelu", "true, as every SmolVLM has it"));
    }
    let size = |key: &str| projector_size(projector, key);
    let epsilon = "clip.vision.attention.layer_norm_epsilon";
    Ok(json!({
        "hidden_size": size("clip.vision.embedding_length")?,
        "intermediate_size": size("clip.vision.feed_forward_length")?,
        "num_hidden_layers": size("clip.vision.block_count")?,
        "num_attention_heads": size("clip.vision.attention.head_count")?,
        "image_size": size("clip.vision.image_size")?,
        "patch_size": size("clip.vision.patch_size")?,
        "layer_norm_eps": needed(projector.real(epsilon)?, epsilon, "the epsilon of the norms")?,
    }))
}

fn projector_size(projector: &Metadata, key: &str) -> Found<usize> {
    needed(projector.count(key)?, key, "a size of the vision tower")
}

/// Checks that the two files belong to the same model, as far as their widths show it.
fn check_width(projector: &Metadata, hidden: &Json) -> Found<()> {
    let key = "clip.vision.projection_dim";
    match projector.count(key)? {
        Some(width) if *hidden != json!(width) => {
            Err(projector.wrong(key, format!("{hidden}, the width of the text file's decoder")))
        }
        _ => Ok(()),
    }
}

fn expect_text(metadata: &Metadata, key: &str, expected: &'static str) -> Found<()> {
    match needed(metadata.text(key)?, key, expected)? {
        text if text == expected => Ok(()),
        _ => Err(metadata.wrong(key, expected)),
    }
}

/// The image settings in the projector's file.
pub(super) fn picture_settings(projector: &GgufFile, config: &ModelConfig) -> Result<PictureSettings> {
    let read = || {
        let metadata = projector.metadata();
        let key = "clip.vision.preproc_image_size";
        let longest_edge = metadata.count(key)?.unwrap_or(TILES_PER_EDGE * config.vision_config.image_size);
        let (mean, deviation) = ("clip.vision.image_mean", "clip.vision.image_std");
        Ok(PictureSettings {
            longest_edge,
            mean: channels(metadata, mean)?,
            deviation: channels(metadata, deviation)?,
        })
    };
    read().map_err(|fault: GgufError| -> ModelError { projector.fault(fault) })
}

fn channels(metadata: &Metadata, key: &str) -> Found<Vec<f64>> {
    let numbers = needed(metadata.numbers(key)?, key, "a number for each of three colours")?;
    let reals = numbers.iter().take(4).filter_map(|number| match number {
        Number::Real(real) if real.is_finite() => Some(real),
        _ => None,
    });
    let reals: Vec<f64> = reals.collect();
    match reals.len() == 3 {
        true => Ok(reals),
        false => Err(metadata.wrong(key, "three finite numbers")),
    }
}
