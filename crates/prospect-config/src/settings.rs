//! All settings, checked.

use crate::budget::{CacheBudget, CacheCosts};
use crate::context::{self, ContextSettings, Needs};
use crate::error::SettingsError;
use crate::evaluation::{self, EvaluationSettings};
use crate::generation::{self, GenerationSettings};
use crate::keys::Keys;
use crate::model::{self, ModelSettings, Quantize};
use crate::origin::Origin;
use crate::output::{self, OutputSettings};
use crate::raw::Raw;
use crate::source::{self, SourceSettings};
use crate::stream::{self, StreamSettings};

/// All settings, checked. [`crate::Layers::resolve`] makes them. Two `Settings` are equal if their values are
/// equal, whatever layers wrote them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The checkpoint, the device and the number formats.
    pub model: ModelSettings,
    /// How frames are read from the source.
    pub source: SourceSettings,
    /// The frames that go in, and when the model speaks.
    pub stream: StreamSettings,
    /// The size of the cache, and what happens when it is full.
    pub context: ContextSettings,
    /// How replies are generated.
    pub generation: GenerationSettings,
    /// The references with which a run is compared.
    pub evaluation: EvaluationSettings,
    /// The files and the output of a run.
    pub output: OutputSettings,
    raw: Raw,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.model == other.model
            && self.source == other.source
            && self.stream == other.stream
            && self.context == other.context
            && self.generation == other.generation
            && self.evaluation == other.evaluation
            && self.output == other.output
    }
}

impl Settings {
    pub(crate) fn validate(mut raw: Raw) -> Result<Self, SettingsError> {
        let model = model::validate(&raw)?;
        let source = source::validate(&raw)?;
        let stream = stream::validate(&raw)?;
        let context = context::validate(&mut raw)?;
        stream::check_frames_in(&raw, &stream, context.rules)?;
        let generation = generation::validate(&raw, &context)?;
        let evaluation = evaluation::validate(&raw)?;
        let output = output::validate(&raw)?;
        Ok(Self { model, source, stream, context, generation, evaluation, output, raw })
    }

    /// These settings for a checkpoint with these costs. A `context.budget` in bytes or in seconds becomes
    /// `context.max_seq_len`. A budget in seconds also sets how much the strategy keeps.
    ///
    /// # Errors
    /// The budget is too small for the other settings.
    pub fn fitted_to(self, costs: &CacheCosts) -> Result<Self, SettingsError> {
        let Some(budget) = self.context.budget else { return Ok(self) };
        let mut raw = self.raw;
        match budget {
            CacheBudget::Bytes(bytes) => context::put_bytes(&mut raw, bytes, costs),
            CacheBudget::Seconds(seconds) => {
                let needs = Needs {
                    costs,
                    fps: self.stream.fps,
                    strategy: &self.context.strategy,
                    reserved_seq_len: self.context.reserved_seq_len,
                    max_new_tokens: self.generation.max_new_tokens,
                };
                context::put_seconds(&mut raw, seconds, &needs);
            }
        }
        Self::validate(raw)
    }

    /// The same settings with another `model.quantize`, for the caller that has decided what "auto" means.
    pub fn with_quantize(mut self, quantize: Quantize) -> Self {
        self.model.quantize = quantize;
        self
    }

    /// Every key that exists.
    pub(crate) fn keys(&self) -> &'static Keys {
        self.raw.keys()
    }

    /// The layer that set a key (`context.max_seq_len`). A key that was not set comes from the defaults.
    pub fn origin(&self, key: &str) -> &Origin {
        self.raw.entry(key).map_or(&Origin::Default, |entry| &entry.origin)
    }

    /// The error for a value that this build or machine does not support.
    pub fn unsupported_error(&self, key: &str, expected: impl Into<String>) -> SettingsError {
        SettingsError::Invalid { at: Box::new(self.raw.place(key)), expected: expected.into() }
    }

    /// The error for a value that the loaded checkpoint does not allow. It names the value and the layer that
    /// set `key`. `expected` says what the checkpoint allows, as in `at most 2048, the model's
    /// max_position_embeddings`.
    pub fn checkpoint_error(&self, key: &str, expected: impl Into<String>) -> SettingsError {
        SettingsError::Checkpoint { at: Box::new(self.raw.place(key)), expected: expected.into() }
    }
}
