//! Typed settings of Prospect. They are read as written, and then checked once.
//!
//! The layers, from weakest to strongest, are: the embedded `configs/default.toml`, a preset, a TOML file,
//! `--set section.key=value`, flags. [`Layers`] collects them. [`Layers::resolve`] checks everything once and
//! returns [`Settings`].
//!
//! The strategies and their parameters come from the catalogue of `prospect-context`; this crate names none
//! of them. The parameters of a strategy are in the strategy's own table (`[context.drop_middle]`). The
//! tables of strategies that are not chosen are checked for types and otherwise ignored, so `--strategy`
//! works with any file. Keys like `context.last_keep_len` are shorthands for the same key of the chosen
//! strategy. A shorthand that the strategy does not have is refused, unless a file wrote it and `--set` or a
//! flag chose another strategy. `generation.temperature`, `top_p` and `seed` are allowed in a file with
//! `sampling = "greedy"`, but are refused in `--set` and flags.
//!
//! A file may have `[[camera]]` tables beside its sections, for the server ([`Layers::cameras`]). They are
//! not part of [`Settings`].
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
pub use stream::{FramesIn, OnCorruptFrame, StreamSettings, UserRequest};
pub use talk::{NotTalkThreshold, SubstepSource, TalkPolicy};
