//! The arguments that all commands have which take settings, and the settings that come of them.

use std::path::PathBuf;

use clap::Args;
use prospect_config::{Layers, Preset, Settings, TalkPolicy, WORKBENCH_CONFIG};
use prospect_source::without_secrets;

use super::say::{print, print_fitted};
use crate::error::RunError;
use crate::strategies::Registry;

/// Shows the presets in the place of naming one.
const LIST: &str = "list";
/// The strategy that has no budget.
const UNLIMITED: &str = "unlimited";

/// What every command takes: settings, by name or as a flag.
#[derive(Debug, Args)]
pub(super) struct CommonArguments {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// Settings that fit together, under those of --config; `list` shows all presets.
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    preset: Option<String>,
    /// Any setting; may be given more than once.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", help_heading = "Settings")]
    settings: Vec<String>,
    /// Checkpoint folder, a GGUF file with its mmproj beside it, or a hub id (OWNER/NAME or OWNER/NAME@REVISION): from the hub's
    /// cache, or downloaded into it.
    #[arg(long, value_name = "FOLDER|FILE|ID", help_heading = "Model")]
    model: Option<String>,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, help_heading = "Model")]
    device: Option<String>,
    /// auto, f32, bf16 or f16.
    #[arg(long, help_heading = "Model")]
    dtype: Option<String>,
    /// none, q8 (int8 weights and cache, bf16 attention between patches; faster on a CPU and less exact), or auto.
    #[arg(long, help_heading = "Model")]
    quantize: Option<String>,
    /// What happens when the cache is full.
    #[arg(long, help_heading = "Memory")]
    strategy: Option<String>,
    /// How long a frame is remembered, such as 90s or 5m: a budget for the cache. What is said takes room from the frames.
    #[arg(long, value_name = "TIME", help_heading = "Memory")]
    remember: Option<String>,
    /// Ask this again and again: when the picture changes, or at intervals with --every.
    #[arg(long, value_name = "QUESTION", help_heading = "What is said")]
    ask: Option<String>,
    /// Ask at intervals of this length, such as 10s.
    #[arg(long, value_name = "TIME", conflicts_with = "when_changed", help_heading = "What is said")]
    every: Option<String>,
    /// Ask when the picture changes.
    #[arg(long, help_heading = "What is said")]
    when_changed: bool,
    /// Annotation file; without it the one beside the video.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    annotations: Option<String>,
    /// Folder for the trace.
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    out: Option<String>,
    /// Longest reply in tokens.
    #[arg(long, value_name = "TOKENS", help_heading = "What is said")]
    max_new_tokens: Option<String>,
    /// Play the video at its own pace: frames that come while the model is busy are dropped.
    #[arg(long, help_heading = "Settings")]
    realtime: bool,
    /// JSON on standard output.
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Show the resolved settings and end.
    #[arg(long, help_heading = "Settings")]
    print_config: bool,
}

impl CommonArguments {
    /// Default settings, preset, file, `--set`, flags, merged and checked; `None` if something was only to be printed.
    pub(super) fn resolve_or_print(&self, registry: &Registry) -> Result<Option<Settings>, RunError> {
        if self.preset.as_deref() == Some(LIST) {
            print_fitted(&presets());
            return Ok(None);
        }
        let layers = self.layers(registry)?;
        let cameras = layers.cameras_to_toml(without_secrets);
        let settings = layers.resolve()?;
        if self.print_config {
            print((settings.to_toml() + &cameras).trim_end());
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
        let mut layers = match (&self.config, &self.preset) {
            (Some(path), _) => Layers::new().file(path)?,
            (None, Some(_)) => Layers::new(),
            (None, None) if names_model => Layers::new(),
            (None, None) => Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG)?,
        };
        if let Some(preset) = &self.preset {
            layers = layers.preset(preset)?;
        }
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
        if let Some(time) = &self.remember {
            seconds("--remember", time)?;
            layers = layers.flag("--remember", "context.budget", time)?;
        }
        layers = self.questions(layers)?;
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

    /// `--ask`, `--every` and `--when-changed`. A question alone is asked as the settings say, or when the picture changes.
    fn questions(&self, mut layers: Layers) -> Result<Layers, RunError> {
        if let Some(time) = &self.every {
            let seconds = seconds("--every", time)?.to_string();
            layers = layers.flag("--every", "stream.talk", "every")?;
            layers = layers.flag("--every", "stream.every.seconds", &seconds)?;
        }
        if self.when_changed {
            layers = layers.flag("--when-changed", "stream.talk", "on_change")?;
        }
        let Some(question) = &self.ask else { return Ok(layers) };
        // As a TOML string: a question may look like a number.
        let question = serde_json::Value::from(question.as_str()).to_string();
        for key in ["stream.every.prompt", "stream.on_change.prompt"] {
            layers = layers.flag("--ask", key, &question)?;
        }
        let talk = layers.clone().resolve()?.stream.talk;
        match talk {
            TalkPolicy::Every { .. } | TalkPolicy::OnChange { .. } => Ok(layers),
            _ => Ok(layers.flag("--ask", "stream.talk", "on_change")?),
        }
    }
}

/// `90s`, `5m`, `1.5h`.
fn seconds(flag: &str, time: &str) -> Result<f64, RunError> {
    prospect_config::seconds(time).ok_or_else(|| RunError::Argument {
        argument: format!("{flag} {time}"),
        problem: "is no time".to_owned(),
        expected: "seconds, minutes or hours, like 90s, 5m or 1.5h".to_owned(),
    })
}

/// The presets, with what each is for.
fn presets() -> String {
    let width = Preset::ALL.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    let row = |preset: &Preset| format!("{:<width$}  {}", preset.name, preset.description);
    Preset::ALL.iter().map(row).collect::<Vec<_>>().join("\n")
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
