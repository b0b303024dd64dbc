//! The inputs of a result, so that a result of other inputs is not mistaken for it.

use prospect_journal::Stamp;
use serde::{Deserialize, Serialize};

use super::variant::Variant;
use super::video::Video;
use crate::error::RunError;
use crate::model_files::ModelFiles;
use crate::run;
use crate::version::{self, VERSION};

/// Everything that a run depends on. Files are identified by their contents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The resolved settings, without those of the output.
    config: serde_json::Value,
    /// The checkpoint.
    model: Stamp,
    /// The sentence encoder's folder.
    similarity: Stamp,
    /// The video.
    video: Stamp,
    /// Its annotations.
    annotations: Stamp,
    /// The file with the video's steps, if it is not the annotation file.
    #[serde(default)]
    states: Stamp,
    /// The program: version and commit, and the binary's contents if these do not identify the sources.
    program: String,
}

/// The inputs that all runs of a strategy share, read once.
pub struct SharedInputs {
    config: serde_json::Value,
    model: Stamp,
    similarity: Stamp,
    program: String,
}

impl SharedInputs {
    /// The shared inputs of every strategy, in order.
    ///
    /// # Errors
    /// The checkpoint, the sentence encoder or the program cannot be read.
    pub fn of_all(variants: &[Variant], model: &ModelFiles) -> Result<Vec<Self>, RunError> {
        variants.iter().map(|variant| Self::of(variant, model)).collect()
    }

    fn of(variant: &Variant, model: &ModelFiles) -> Result<Self, RunError> {
        let settings = &variant.settings;
        let mut config = run::settings_without_secrets(settings);
        if let Some(config) = config.as_object_mut() {
            config.remove("output");
        }
        let model = match variant.is_sanity() {
            true => Stamp::default(),
            false => model.stamp()?,
        };
        let similarity = settings.evaluation.similarity.as_deref().and_then(prospect_hub::resolve);
        Ok(Self {
            config,
            model,
            similarity: similarity.as_deref().map_or(Ok(Stamp::default()), Stamp::of_modules)?,
            program: this_program()?,
        })
    }
}

impl Inputs {
    /// The inputs of one run.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn of(shared: &SharedInputs, video: &Video) -> Result<Self, RunError> {
        Ok(Self {
            config: shared.config.clone(),
            model: shared.model,
            similarity: shared.similarity,
            video: Stamp::of(&video.source)?,
            annotations: Stamp::of(&video.annotations)?,
            states: video.states.as_deref().map_or(Ok(Stamp::default()), Stamp::of)?,
            program: shared.program.clone(),
        })
    }

    /// Whether an existing result can have the same inputs. The video is judged by its length only, so
    /// that it is not read.
    pub(super) fn may_be(&self, shared: &SharedInputs, video: &Video) -> bool {
        let bytes = std::fs::metadata(&video.source).map(|about| about.len());
        self.config == shared.config
            && self.model == shared.model
            && self.similarity == shared.similarity
            && self.program == shared.program
            && (video.source.is_dir() || bytes.is_ok_and(|bytes| bytes == self.video.bytes))
    }

    /// Whether two runs of one strategy can be in one table: the same settings, checkpoint, encoder and
    /// program.
    pub fn is_same_strategy(&self, other: &Self) -> bool {
        self.config == other.config
            && self.model == other.model
            && self.similarity == other.similarity
            && self.program == other.program
    }

    /// Whether two runs had the same video, annotations and steps.
    pub fn is_same_video(&self, other: &Self) -> bool {
        self.video == other.video && self.annotations == other.annotations && self.states == other.states
    }
}

/// Identifies the program that makes results.
fn this_program() -> Result<String, RunError> {
    let contents = std::env::current_exe().ok().filter(|_| !version::is_exact());
    let stamp = contents.map(|program| Stamp::of(&program)).transpose()?;
    Ok(match stamp {
        Some(stamp) => {
            format!("{VERSION}, {}", serde_json::json!(stamp)["sha256"].as_str().unwrap_or_default())
        }
        None => VERSION.to_owned(),
    })
}
