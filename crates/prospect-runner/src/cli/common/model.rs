//! What every command takes that loads a model: settings by name, and the flags of the model.

use std::path::PathBuf;

use clap::Args;
use prospect_config::{Layers, Preset, Settings, TalkPolicy, WORKBENCH_CONFIG};
use prospect_source::without_secrets;

use crate::cli::say::{print, print_fitted};
use crate::error::RunError;

/// Shows the presets in the place of naming one.
const LIST: &str = "list";

/// Settings of any section, and the flags of the model.
#[derive(Debug, Args)]
pub(in crate::cli) struct ModelArguments {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE", help_heading = "Settings")]
    config: Option<PathBuf>,
    /// Settings that fit together, under those of --config; `list` shows all presets.
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    preset: Option<String>,
    /// Any setting; may be given more than once.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", help_heading = "Settings")]
    settings: Vec<String>,
    /// Show the resolved settings and end.
    #[arg(long, help_heading = "Settings")]
    print_config: bool,
    /// 256m, 500m or 2.2b, a checkpoint folder, a GGUF file with its mmproj beside it, or a hub id
    /// (OWNER/NAME or OWNER/NAME@REVISION). A model of the hub is taken from the hub's cache, or downloaded
    /// into it.
    #[arg(long, value_name = "SIZE|FOLDER|FILE|ID", help_heading = "Model")]
    model: Option<String>,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, help_heading = "Model")]
    device: Option<String>,
    /// auto, f32, bf16 or f16.
    #[arg(long, help_heading = "Model")]
    dtype: Option<String>,
    /// none, q8 (int8 weights and cache, bf16 attention between patches; faster on a CPU and less exact), or
    /// auto.
    #[arg(long, help_heading = "Model")]
    quantize: Option<String>,
    /// The most tokens of a reply.
    #[arg(long, value_name = "TOKENS", help_heading = "What is said")]
    max_new_tokens: Option<String>,
}

impl ModelArguments {
    /// The settings; `None` if something was only to be printed.
    pub(in crate::cli) fn resolve_or_print(&self) -> Result<Option<Settings>, RunError> {
        self.print_or_resolve(|| self.layers())
    }

    /// The settings of `layers`; `None` if something was only to be printed.
    pub(super) fn print_or_resolve(
        &self,
        layers: impl FnOnce() -> Result<Layers, RunError>,
    ) -> Result<Option<Settings>, RunError> {
        if self.preset.as_deref() == Some(LIST) {
            print_fitted(&presets());
            return Ok(None);
        }
        let layers = layers()?;
        let cameras = layers.cameras_to_toml(without_secrets);
        let settings = layers.resolve()?;
        if self.print_config {
            print((settings.to_toml() + &cameras).trim_end());
            return Ok(None);
        }
        Ok(Some(settings))
    }

    /// Default settings, preset, file, `--set` and the flags of the model. Without a model and a file, the
    /// settings are those of the small model, which is run then.
    pub(in crate::cli) fn layers(&self) -> Result<Layers, RunError> {
        let mut layers = match (&self.config, &self.preset) {
            (Some(path), _) => Layers::new().file(path)?,
            (None, Some(_)) => Layers::new(),
            (None, None) if self.names_model() => Layers::new(),
            (None, None) => Layers::new().file_text("configs/workbench.toml".as_ref(), WORKBENCH_CONFIG)?,
        };
        if let Some(preset) = &self.preset {
            layers = layers.preset(preset)?;
        }
        for set in &self.settings {
            layers = layers.set(set)?;
        }
        with_flags(
            layers,
            &[
                ("--model", "model.path", &self.model),
                ("--device", "model.device", &self.device),
                ("--dtype", "model.dtype", &self.dtype),
                ("--quantize", "model.quantize", &self.quantize),
                ("--max-new-tokens", "generation.max_new_tokens", &self.max_new_tokens),
            ],
        )
    }

    /// Tells a person who named a model and nothing else that the default settings need a trained model:
    /// a published checkpoint was not trained to be silent.
    pub(super) fn note_defaults(&self, settings: &Settings) {
        let chose = self.config.is_some() || self.preset.is_some() || !self.names_model();
        if !chose && matches!(settings.stream.talk, TalkPolicy::Proactive) {
            print_fitted(
                "note: stream.talk = \"proactive\" needs a model that was trained to be silent; for a published \
                 SmolVLM2 see --preset list",
            );
        }
    }

    fn names_model(&self) -> bool {
        self.model.is_some() || self.settings.iter().any(|set| set.starts_with("model.path"))
    }
}

/// Layers with the flags that were given: each is its name, the setting's key and the value.
pub(super) fn with_flags(
    layers: Layers,
    flags: &[(&'static str, &'static str, &Option<String>)],
) -> Result<Layers, RunError> {
    let given = flags.iter().filter_map(|(flag, key, value)| Some((flag, key, value.as_ref()?)));
    given.into_iter().try_fold(layers, |layers, (flag, key, value)| Ok(layers.flag(flag, key, value)?))
}

/// The presets, and the purpose of each.
fn presets() -> String {
    let width = Preset::ALL.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    let row = |preset: &Preset| format!("{:<width$}  {}", preset.name, preset.description);
    Preset::ALL.iter().map(row).collect::<Vec<_>>().join("\n")
}
