//! Typed settings of Prospect: raw as written, validated once.
//!
//! Layers, weakest first: the embedded `configs/default.toml`, a preset, a TOML file, `--set section.key=value`, flags.
//! [`Layers`] collects them, [`Layers::resolve`] checks everything once and gives [`Settings`].
//!
//! The strategies and their parameters are those of the catalogue of `prospect-context`; nothing here names one of them.
//! A parameter of a strategy lives in that strategy's own table (`[context.drop_middle]`); tables of strategies
//! that are not chosen are checked for their types and otherwise ignored, so `--strategy` works over any file.
//! `context.last_keep_len` and the like are shorthands for the same key of the chosen strategy: one that the
//! strategy does not have is refused, unless a file wrote it and `--set` or a flag chose another strategy.
//! `generation.temperature`, `top_p` and `seed` with `sampling = "greedy"` may stand in a file, and are refused
//! from `--set` and flags.
//!
//! A file may have `[[camera]]` tables beside its sections: what a server watches ([`Layers::cameras`]). They are no part of [`Settings`].
//!
//! ```
//! use prospect_config::Layers;
//! let settings = Layers::new().set("stream.fps=1")?.flag("--strategy", "context.strategy", "drop_all")?.resolve()?;
//! assert_eq!(settings.stream.fps, 1.0);
//! assert_eq!(settings.context.strategy.name(), "drop_all");
//! # Ok::<(), prospect_config::SettingsError>(())
//! ```

mod budget;
mod bytes;
mod camera;
mod choice;
mod context;
mod error;
mod evaluation;
mod generation;
mod keys;
mod layers;
#[cfg(test)]
mod made_up_tests;
mod model;
mod origin;
mod output;
mod presets;
mod print;
mod raw;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod schema_tests;
mod settings;
mod source;
mod strategy;
mod stream;
mod talk;

pub use budget::{CacheBudget, CacheCosts, seconds};
pub use camera::CameraSettings;
pub use context::{ContextRules, ContextSettings};
pub use error::{Place, SettingsError};
pub use evaluation::EvaluationSettings;
pub use generation::{GenerationSettings, SamplingSettings};
pub use layers::{DEFAULT_CONFIG, Layers, WORKBENCH_CONFIG};
pub use model::{
    CacheFormat, DType, Device, EncodeAhead, FloatFormat, KernelChoice, ModelSettings, Quantize, WeightFormat,
};
pub use origin::Origin;
pub use output::OutputSettings;
pub use presets::Preset;
pub use settings::Settings;
pub use source::{FramePolicy, SourceSettings};
pub use strategy::{ExceedContextHandling, SummaryPrompt};
pub use stream::{OnCorruptFrame, StreamSettings, UserRequest};
pub use talk::{NotTalkThreshold, SubstepSource, TalkPolicy};
