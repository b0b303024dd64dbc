//! A SmolVLM in a pair of GGUF files.

use std::collections::BTreeSet;
use std::path::Path;

use prospect_processor::CheckpointFiles;
use serde_json::json;

use super::config::{model_config, picture_settings};
use super::error::GgufError;
use super::file::GgufFile;
use super::names::{Part, Rotary, TensorName, in_published_order, tensor_name};
use super::vocabulary::{generation_config_json, tokenizer_config_json, tokenizer_json};
use crate::config::ModelConfig;
use crate::error::{ModelError, Result};

/// A checkpoint in two GGUF files: the decoder with its vocabulary in one, vision tower and connector
/// in the other, which llama.cpp calls mmproj. Headers are read and checked at once, tensors when they
/// are needed.
pub struct GgufCheckpoint {
    text: GgufFile,
    projector: GgufFile,
    config: ModelConfig,
    files: CheckpointFiles,
    /// Whether the two layers of the vision tower's MLPs have swapped names.
    mlp_is_swapped: bool,
}

impl GgufCheckpoint {
    /// Opens both files. A `tokenizer.json` and a `tokenizer_config.json` in the folder of the text
    /// file take precedence over its vocabulary. If the text file lacks a chat template or end tokens,
    /// those of the folder's files are used.
    ///
    /// # Errors
    /// All errors for which [`ModelError::is_bad_checkpoint`] holds.
    pub fn open(text: &Path, projector: &Path) -> Result<Self> {
        let (text, projector) = (GgufFile::open(text)?, GgufFile::open(projector)?);
        let config = model_config(&text, &projector)?;
        let files = checkpoint_files(&text, &projector, &config)?;
        let mlp_is_swapped = mlp_is_swapped(&projector, &config);
        Ok(Self { text, projector, config, files, mlp_is_swapped })
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The files from which a processor of the model is made.
    pub fn files(&self) -> &CheckpointFiles {
        &self.files
    }

    /// Names of all tensor formats in both files.
    pub fn formats(&self) -> BTreeSet<&'static str> {
        self.text.formats().chain(self.projector.formats()).collect()
    }

    /// Whether there is a tensor with this published name.
    pub(crate) fn has(&self, published: &str) -> bool {
        tensor_name(published, self.mlp_is_swapped)
            .is_some_and(|TensorName { part, name, .. }| self.part(part).tensor(&name).is_some())
    }

    /// The values of the tensor with this published name, row-major.
    pub(crate) fn values(&self, published: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(TensorName { part, name, rotary }) = tensor_name(published, self.mlp_is_swapped) else {
            let (folder, name) = (self.text.path().to_owned(), published.to_owned());
            return Err(ModelError::MissingTensor { folder, name, expected: shape.to_vec() });
        };
        let values = self.part(part).values(&name, shape)?;
        let config = &self.config.text_config;
        let heads = match rotary {
            None => return Ok(values),
            Some(Rotary::Queries) => config.num_attention_heads,
            Some(Rotary::Keys) => config.kv_heads(),
        };
        Ok(in_published_order(&values, heads, config.head_dim()))
    }

    fn part(&self, part: Part) -> &GgufFile {
        match part {
            Part::Text => &self.text,
            Part::Projector => &self.projector,
        }
    }
}

/// Decides by the shape: the first layer of an MLP maps to wider rows.
fn mlp_is_swapped(projector: &GgufFile, config: &ModelConfig) -> bool {
    let (hidden, inner) = (config.vision_config.hidden_size, config.vision_config.intermediate_size);
    let named_first = projector.tensor("v.blk.0.ffn_up.weight");
    hidden != inner && named_first.is_some_and(|tensor| tensor.shape == [hidden, inner])
}

/// The metadata of both files in the form of a checkpoint folder's files.
fn checkpoint_files(text: &GgufFile, projector: &GgufFile, config: &ModelConfig) -> Result<CheckpointFiles> {
    let fault = |fault: GgufError| text.fault(fault);
    // A bare file name has an empty parent, which stands for the working folder.
    let folder = text.path().parent().unwrap_or(Path::new(""));
    let mut files = CheckpointFiles::of_folder(folder);
    if !folder.join("tokenizer.json").exists() {
        files = files.stating("tokenizer.json", text.path(), tokenizer_json(text.metadata()).map_err(fault)?);
    }
    if !folder.join("tokenizer_config.json").exists() {
        let names = tokenizer_config_json(text.metadata()).map_err(fault)?;
        files = files.stating("tokenizer_config.json", text.path(), names);
    }
    if let Some(ends) = generation_config_json(text.metadata()).map_err(fault)? {
        files = files.stating("generation_config.json", text.path(), ends);
    }
    if let Some(template) = text.metadata().text("tokenizer.chat_template").map_err(fault)? {
        files = files.stating("chat_template.jinja", text.path(), template.to_owned());
    }
    let pictures = picture_settings(projector, config)?;
    let settings = json!({
        "do_image_splitting": true,
        "size": {"longest_edge": pictures.longest_edge},
        "max_image_size": {"longest_edge": config.vision_config.image_size},
        "image_mean": pictures.mean,
        "image_std": pictures.deviation,
    });
    let tokens = json!({"image_seq_len": config.image_seq_len()});
    Ok(files.stating("preprocessor_config.json", projector.path(), settings.to_string()).stating(
        "processor_config.json",
        projector.path(),
        tokens.to_string(),
    ))
}
