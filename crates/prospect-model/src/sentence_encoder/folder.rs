//! The settings around BERT in a `sentence-transformers` folder: modules, pooling, length limit.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{ModelError, Result};
use crate::weights::{is_file_name, read_json};

/// The required modules in order, by the last part of their class names.
const MODULES: [&str; 3] = ["Transformer", "Pooling", "Normalize"];

/// The only supported pooling.
const MEAN: &str = "mean";

/// A folder whose modules and pooling are supported.
pub(super) struct SentenceFolder {
    /// The folder of BERT and its tokenizer: the folder itself, or `0_Transformer` in older layouts.
    pub(super) transformer: PathBuf,
    settings: Settings,
    settings_path: PathBuf,
}

/// Most tokens of a text, and the setting that says so.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) tokens: usize,
    pub(super) key: &'static str,
    pub(super) path: PathBuf,
    /// Number of positions of the model.
    pub(super) max: usize,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    class: String,
}

/// `sentence_bert_config.json`.
#[derive(Default, Deserialize)]
struct Settings {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct TokenizerSettings {
    /// 1e30 if there is no limit.
    model_max_length: Option<f64>,
}

/// `config.json` of a pooling, in either generation.
#[derive(Deserialize)]
struct Pooling {
    pooling_mode: Option<Modes>,
    /// Keys such as `pooling_mode_cls_token` in the older generation.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Modes {
    One(String),
    Several(Vec<String>),
}

impl SentenceFolder {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let (transformer, pooling) = modules(folder)?;
        if let Some(path) = pooling {
            check_pooling(&path)?;
        }
        let settings_path = transformer.join("sentence_bert_config.json");
        let settings = optional(&settings_path, "max_seq_length and do_lower_case")?.unwrap_or_default();
        Ok(Self { transformer, settings, settings_path })
    }

    /// Whether texts are converted to lower case, independent of `tokenizer.json`.
    pub(super) fn lowercase(&self) -> bool {
        self.settings.do_lower_case
    }

    /// The length limit: the folder's setting, or else the tokenizer's limit, but at most the model's.
    pub(super) fn limit(&self, max: usize) -> Result<Limit> {
        if let Some(tokens) = self.settings.max_seq_length {
            return Ok(Limit { tokens, key: "max_seq_length", path: self.settings_path.clone(), max });
        }
        let path = self.transformer.join("tokenizer_config.json");
        let settings: TokenizerSettings = optional(&path, "the settings of a tokenizer")?.unwrap_or_default();
        // The conversion saturates, and the minimum cuts the result.
        let tokens = settings.model_max_length.map_or(max, |length| (length as usize).min(max));
        Ok(Limit { tokens, key: "model_max_length", path, max })
    }
}

/// The folder of the transformer, and the pooling's settings if there are any.
fn modules(folder: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let path = folder.join("modules.json");
    let pooling_in = |name: &str| folder.join(name).join("config.json");
    let Some(modules) = optional::<Vec<Module>>(&path, "a list of modules with type and path")? else {
        return Ok((folder.to_owned(), Some(pooling_in("1_Pooling")).filter(|path| path.exists())));
    };
    let names: Vec<&str> = modules.iter().map(Module::name).collect();
    if names.len() < 2 || names != MODULES[..names.len().min(MODULES.len())] {
        return Err(ModelError::Modules { path, modules: names.join(", ") });
    }
    // A module must lie directly in the folder. An empty path means the folder itself.
    match modules.iter().find(|module| !module.path.is_empty() && !is_file_name(&module.path)) {
        Some(Module { path: name, .. }) => Err(ModelError::ShardName { path, name: name.clone() }),
        None => Ok((folder.join(&modules[0].path), Some(pooling_in(&modules[1].path)))),
    }
}

fn check_pooling(path: &Path) -> Result<()> {
    let pooling: Pooling = read_json(path, "the settings of a pooling")?;
    let modes = pooling.modes();
    if modes != [MEAN] {
        return Err(ModelError::Pooling { path: path.to_owned(), pooling: modes.join(" and ") });
    }
    Ok(())
}

/// Reads a JSON file that may be absent.
fn optional<T: serde::de::DeserializeOwned>(path: &Path, expected: &'static str) -> Result<Option<T>> {
    if path.exists() { read_json(path, expected).map(Some) } else { Ok(None) }
}

impl Module {
    fn name(&self) -> &str {
        self.class.rsplit('.').next().unwrap_or_default()
    }
}

impl Pooling {
    fn modes(self) -> Vec<String> {
        match self.pooling_mode {
            Some(Modes::One(mode)) => vec![mode],
            Some(Modes::Several(modes)) => modes,
            None => older_modes(&self.rest),
        }
    }
}

/// `pooling_mode_mean_tokens: true` stands for `mean`. If no mode is true, `sentence-transformers` uses
/// the mean.
fn older_modes(settings: &Map<String, Value>) -> Vec<String> {
    let active = settings.iter().filter(|(_, value)| value.as_bool() == Some(true));
    let names = active.filter_map(|(key, _)| key.strip_prefix("pooling_mode_"));
    let modes: Vec<String> =
        names.map(|name| name.strip_suffix("_tokens").unwrap_or(name).to_owned()).collect();
    if modes.is_empty() { vec![MEAN.to_owned()] } else { modes }
}
