//! The inputs of a run, and their description in traces.

use std::path::PathBuf;
use std::sync::Arc;

use prospect_config::Settings;
use prospect_engine::{CheckpointLanguage, StreamSetup};
use prospect_evaluation::annotations::Annotations;
use prospect_session::{Event, SCHEMA_VERSION};

use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::strategies::Registry;
use crate::version::versions;

/// The inputs of a run.
#[derive(Clone, Copy)]
pub struct RunInputs<'a> {
    /// Settings, fitted to the checkpoint ([`Checkpoint::fit`]).
    pub settings: &'a Settings,
    /// Strategies, the built-in ones included.
    pub strategies: &'a Registry,
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// The source of the frames.
    pub source: &'a str,
    /// Annotations from [`annotations_of`].
    pub annotations: Option<&'a Annotations>,
    /// Ends the run before its next frame.
    pub interrupt: &'a Interrupt,
}

impl RunInputs<'_> {
    /// The stream's setup for the engine.
    ///
    /// # Errors
    /// The strategy is unknown to this program.
    pub fn setup(&self) -> Result<StreamSetup, RunError> {
        let rule = self.strategies.overflow_rule(&self.settings.context)?;
        let guidance = self.annotations.map(Annotations::guidance).unwrap_or_default();
        let language = Arc::new(CheckpointLanguage(Arc::clone(&self.checkpoint.processor)));
        Ok(StreamSetup::new(language, rule, self.settings, guidance))
    }
}

/// Path of the annotation file: from the settings, or beside the video.
pub(crate) fn annotations_file(settings: &Settings, source: &str) -> Option<PathBuf> {
    let named = settings.evaluation.annotations.clone();
    named.or_else(|| Annotations::beside(source.as_ref()))
}

/// Annotations from the file of the settings, or from the file beside the video.
///
/// # Errors
/// The file cannot be read or is malformed.
pub fn annotations_of(settings: &Settings, source: &str) -> Result<Option<Annotations>, RunError> {
    let path = annotations_file(settings, source);
    Ok(path.map(|path| Annotations::from_file(&path)).transpose()?)
}

/// The settings for traces and files, without passwords in ffmpeg's arguments. Settings always
/// serialize.
pub(crate) fn settings_without_secrets(settings: &Settings) -> serde_json::Value {
    let mut value = serde_json::to_value(settings).unwrap_or_default();
    let arguments = prospect_source::arguments_without_secrets(&settings.source.ffmpeg_input);
    if let Some(written) = value.pointer_mut("/source/ffmpeg_input").filter(|_| !arguments.is_empty()) {
        *written = arguments.into();
    }
    value
}

/// The first event of a trace.
pub(super) fn started(settings: &Settings, checkpoint: &Checkpoint, source: &str, strategy: &str) -> Event {
    Event::RunStarted {
        schema_version: SCHEMA_VERSION,
        config: settings_without_secrets(settings),
        model: checkpoint.name.clone(),
        commit: checkpoint.commit.clone(),
        source: source.to_owned(),
        device: checkpoint.model.placement().device.to_string(),
        threads: prospect_model::threads(),
        dtype: checkpoint.model.placement().to_string(),
        strategy: strategy.to_owned(),
        kv_bytes_per_token: checkpoint.model.kv_bytes_per_token(),
        versions: versions(),
    }
}
