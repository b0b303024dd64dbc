//! The arguments that all commands have which take settings, and the settings that come of them.

use std::path::PathBuf;

use clap::Args;
use prospect_config::{Layers, Settings, WORKBENCH_CONFIG};

use super::say::print;
use crate::error::RunError;
use crate::strategies::Registry;

/// The strategy that has no budget.
const UNLIMITED: &str = "unlimited";

/// What every command takes: settings, by name or as a flag.
#[derive(Debug, Args)]
pub(super) struct CommonArguments {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any setting; may be given more than once.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    settings: Vec<String>,
    /// Checkpoint folder, a GGUF file with its mmproj beside it, or a hub id (OWNER/NAME or OWNER/NAME@REVISION): from the hub's
    /// cache, or downloaded into it.
    #[arg(long, value_name = "FOLDER|FILE|ID")]
    model: Option<String>,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long)]
    device: Option<String>,
    /// auto, f32, bf16 or f16.
    #[arg(long)]
    dtype: Option<String>,
    /// none or q8: int8 weights and cache, bf16 attention between patches; faster on a CPU and less exact.
    #[arg(long)]
    quantize: Option<String>,
    /// What happens when the cache is full.
    #[arg(long)]
    strategy: Option<String>,
    /// Annotation file; without it the one beside the video.
    #[arg(long, value_name = "FILE")]
    annotations: Option<String>,
    /// Folder for the trace.
    #[arg(long, value_name = "FOLDER")]
    out: Option<String>,
    /// Longest reply in tokens.
    #[arg(long, value_name = "TOKENS")]
    max_new_tokens: Option<String>,
    /// Play the video at its own pace: frames that come while the model is busy are dropped.
    #[arg(long)]
    realtime: bool,
    /// JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Show the resolved settings and end.
    #[arg(long)]
    print_config: bool,
}

impl CommonArguments {
    /// Default settings, file, `--set`, flags, merged and checked; `None` if they were only to be printed.
    pub(super) fn resolve_or_print(&self, registry: &Registry) -> Result<Option<Settings>, RunError> {
        let settings = self.resolve(registry)?;
        if self.print_config {
            print(settings.to_toml().trim_end());
            return Ok(None);
        }
        Ok(Some(settings))
    }

    /// Default settings, file, `--set`, flags, merged and checked.
    pub(super) fn resolve(&self, registry: &Registry) -> Result<Settings, RunError> {
        Ok(self.layers(registry)?.resolve()?)
    }

    /// The same settings with another strategy: `NAME`, or `NAME:POSITIONS`. `unlimited` gets a cache of that many tokens,
    /// whatever the budget of the others is.
    pub(super) fn with_strategy(
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

    /// Without a model and a file, the settings of the small model that is run then.
    pub(super) fn layers(&self, registry: &Registry) -> Result<Layers, RunError> {
        let names_model =
            self.model.is_some() || self.settings.iter().any(|set| set.starts_with("model.path"));
        let mut layers = match &self.config {
            Some(path) => Layers::new().file(path)?,
            None if names_model => Layers::new(),
            None => Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG)?,
        };
        for set in &self.settings {
            layers = layers.set(set)?;
        }
        let flags = [
            ("--model", "model.path", &self.model),
            ("--device", "model.device", &self.device),
            ("--dtype", "model.dtype", &self.dtype),
            ("--quantize", "model.quantize", &self.quantize),
            ("--annotations", "evaluation.annotations", &self.annotations),
            ("--out", "output.dir", &self.out),
            ("--max-new-tokens", "generation.max_new_tokens", &self.max_new_tokens),
        ];
        for (flag, key, value) in flags {
            if let Some(value) = value {
                layers = layers.flag(flag, key, value)?;
            }
        }
        if let Some(name) = &self.strategy {
            layers = with_strategy(layers, registry, "--strategy", name)?;
        }
        if self.realtime {
            layers = layers.flag("--realtime", "source.realtime", "true")?;
        }
        if self.json {
            layers = layers.flag("--json", "output.json", "true")?;
        }
        Ok(layers)
    }
}

/// `NAME` or `NAME:POSITIONS`, as `--strategies` has them.
pub(super) fn with_positions(
    layers: Layers,
    registry: &Registry,
    strategy: &str,
) -> Result<Layers, RunError> {
    let (name, positions) = strategy.split_once(':').unzip();
    let layers = with_strategy(layers, registry, "--strategies", name.unwrap_or(strategy))?;
    match positions {
        Some(positions) => Ok(layers.flag("--strategies", "context.positions", positions)?),
        None => Ok(layers),
    }
}

/// A registered strategy is named like a built-in one.
fn with_strategy(layers: Layers, registry: &Registry, flag: &str, name: &str) -> Result<Layers, RunError> {
    if registry.has(name) {
        let layers = layers.flag(flag, "context.strategy", "custom")?;
        return Ok(layers.flag(flag, "context.custom.name", name)?);
    }
    Ok(layers.flag(flag, "context.strategy", name)?)
}
