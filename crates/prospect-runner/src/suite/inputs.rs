//! What a result was made from, so that a result of something else is not taken for it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dataset::Video;
use super::variant::Variant;
use crate::error::RunError;
use crate::stamp::Stamp;
use crate::{checkpoint, hub};

/// Everything that a run depends on, files by their length and time of change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The resolved settings, but for where the output goes.
    config: serde_json::Value,
    /// The checkpoint folder.
    model: Stamp,
    /// The sentence encoder's folder.
    similarity: Stamp,
    /// The video.
    video: Stamp,
    /// Its annotations.
    annotations: Stamp,
    /// The file of its steps, where it is another one.
    #[serde(default)]
    states: Stamp,
    /// This program.
    program: Stamp,
}

/// What all runs of a strategy depend on, looked at once.
pub(super) struct SharedInputs {
    config: serde_json::Value,
    model: Stamp,
    similarity: Stamp,
    program: Stamp,
}

impl SharedInputs {
    pub(super) fn of(variant: &Variant) -> Result<Self, RunError> {
        let settings = &variant.settings;
        let mut config = serde_json::to_value(settings).unwrap_or_default();
        if let Some(config) = config.as_object_mut() {
            config.remove("output");
        }
        let model = match variant.is_sanity() {
            true => None,
            false => Some(checkpoint::find(settings.model.path.as_deref())?.folder),
        };
        let similarity = settings.evaluation.similarity.as_deref().and_then(hub::resolve);
        let program = std::env::current_exe().ok();
        let stamp = |path: Option<&Path>| path.map_or(Ok(Stamp::default()), Stamp::of);
        Ok(Self {
            config,
            model: stamp(model.as_deref())?,
            similarity: stamp(similarity.as_deref())?,
            program: stamp(program.as_deref())?,
        })
    }
}

impl Inputs {
    /// The inputs of one run.
    ///
    /// # Errors
    /// A file that cannot be looked at.
    pub(super) fn of(shared: &SharedInputs, video: &Video) -> Result<Self, RunError> {
        Ok(Self {
            config: shared.config.clone(),
            model: shared.model,
            similarity: shared.similarity,
            video: Stamp::of(&video.source)?,
            annotations: Stamp::of(&video.annotations)?,
            states: video.states.as_deref().map_or(Ok(Stamp::default()), Stamp::of)?,
            program: shared.program,
        })
    }

    /// Whether two runs of one strategy can stand in one table: the same settings and, as far as lengths tell, the same
    /// checkpoint and encoder. Times of change say nothing here, for every machine may have its own copy.
    pub fn is_same_strategy(&self, other: &Self) -> bool {
        self.config == other.config
            && self.model.bytes == other.model.bytes
            && self.similarity.bytes == other.similarity.bytes
    }

    /// Whether two runs saw, as far as lengths tell, the same video and annotations.
    pub fn is_same_video(&self, other: &Self) -> bool {
        self.video.bytes == other.video.bytes && self.annotations.bytes == other.annotations.bytes
    }
}
