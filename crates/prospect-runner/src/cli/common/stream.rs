//! What every command takes that streams frames: what the stream remembers, and what is said.

use clap::Args;
use prospect_config::{Layers, Settings, TalkPolicy};

use super::model::ModelArguments;
use crate::error::RunError;
use crate::strategies::Registry;

/// Settings of a model, and those of what a stream remembers and says.
#[derive(Debug, Args)]
pub(in crate::cli) struct StreamArguments {
    #[command(flatten)]
    pub(super) model: ModelArguments,
    /// The context strategy: what stays when the cache is full.
    #[arg(long, help_heading = "Memory")]
    strategy: Option<String>,
    /// The budget of the cache as a time, such as 90s or 5m: how long a frame is remembered. Text takes room
    /// from the frames.
    #[arg(long, value_name = "TIME", help_heading = "Memory")]
    remember: Option<String>,
    /// Ask this question repeatedly: when the picture changes, or at intervals with --every.
    #[arg(long, value_name = "QUESTION", help_heading = "What is said")]
    ask: Option<String>,
    /// Ask at intervals of this length, such as 10s.
    #[arg(long, value_name = "TIME", conflicts_with = "when_changed", help_heading = "What is said")]
    every: Option<String>,
    /// Ask when the picture changes.
    #[arg(long, help_heading = "What is said")]
    when_changed: bool,
}

impl StreamArguments {
    /// The settings; `None` if something was only to be printed.
    pub(in crate::cli) fn resolve_or_print(&self, registry: &Registry) -> Result<Option<Settings>, RunError> {
        self.model.print_or_resolve(|| self.layers(registry))
    }

    /// The settings of the model, and the flags of the stream.
    pub(in crate::cli) fn layers(&self, registry: &Registry) -> Result<Layers, RunError> {
        let mut layers = self.model.layers()?;
        if let Some(time) = &self.remember {
            seconds("--remember", time)?;
            layers = layers.flag("--remember", "context.budget", time)?;
        }
        layers = self.questions(layers)?;
        if let Some(name) = &self.strategy {
            layers = with_strategy(layers, registry, "--strategy", name)?;
        }
        Ok(layers)
    }

    /// `--ask`, `--every` and `--when-changed`. A question alone is asked as the settings say, or when the
    /// picture changes.
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

/// `NAME` or `NAME:POSITIONS`, as `--strategies` has them.
pub(in crate::cli) fn with_positions(
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
