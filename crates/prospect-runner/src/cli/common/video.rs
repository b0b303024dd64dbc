//! What every command takes that streams videos.

use clap::Args;
use prospect_config::{Layers, Settings};

use super::model::with_flags;
use super::stream::{StreamArguments, with_positions};
use crate::error::RunError;
use crate::strategies::Registry;

/// The strategy that has no budget.
const UNLIMITED: &str = "unlimited";

/// Settings of a stream, and those of its source and its results.
#[derive(Debug, Args)]
pub(in crate::cli) struct VideoArguments {
    #[command(flatten)]
    stream: StreamArguments,
    /// Play the video at its own pace: frames that come while the model is busy are dropped.
    #[arg(long, help_heading = "Settings")]
    realtime: bool,
    /// Annotation file; without it the one beside the video.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    annotations: Option<String>,
    /// Folder for the trace.
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    out: Option<String>,
    /// JSON on standard output.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl VideoArguments {
    /// The settings; `None` if something was only to be printed.
    pub(in crate::cli) fn resolve_or_print(&self, registry: &Registry) -> Result<Option<Settings>, RunError> {
        self.stream.model.print_or_resolve(|| self.layers(registry))
    }

    /// The settings.
    pub(in crate::cli) fn resolve(&self, registry: &Registry) -> Result<Settings, RunError> {
        Ok(self.layers(registry)?.resolve()?)
    }

    /// The same settings with another strategy: `NAME`, or `NAME:POSITIONS`. `unlimited` gets a cache of that
    /// many tokens, whatever the budget of the others is.
    pub(in crate::cli) fn with_strategy(
        &self,
        registry: &Registry,
        strategy: &str,
        unlimited: usize,
    ) -> Result<Settings, RunError> {
        let mut layers = with_positions(self.layers(registry)?, registry, strategy)?;
        if strategy == UNLIMITED {
            layers = layers.flag("--strategies", "context.max_seq_len", &unlimited.to_string())?;
        }
        Ok(layers.resolve()?)
    }

    /// As [`super::ModelArguments::note_defaults`].
    pub(in crate::cli) fn note_defaults(&self, settings: &Settings) {
        self.stream.model.note_defaults(settings);
    }

    fn layers(&self, registry: &Registry) -> Result<Layers, RunError> {
        let mut layers = with_flags(
            self.stream.layers(registry)?,
            &[
                ("--annotations", "evaluation.annotations", &self.annotations),
                ("--out", "output.dir", &self.out),
            ],
        )?;
        if self.realtime {
            layers = layers.flag("--realtime", "source.realtime", "true")?;
        }
        if self.json {
            layers = layers.flag("--json", "output.json", "true")?;
        }
        Ok(layers)
    }
}
