//! The settings of a session: those of the server, overridden by the session's request.

use prospect_config::{Layers, Settings};
use prospect_engine::Adjustment;
use prospect_journal::differences;

use super::shared::SharedModel;
use crate::error::RunError;
use crate::run::settings_without_secrets;
use crate::suspend::threshold_and_strategy;

/// The layers of a session's settings.
pub(super) struct Asked {
    layers: Layers,
}

impl Asked {
    /// The layers of a session on top of `server`'s settings. `system_prompt` is the prompt with which
    /// the session began.
    ///
    /// # Errors
    /// The prompt is not a valid value.
    pub(super) fn new(server: &Layers, system_prompt: Option<&str>) -> Result<Self, RunError> {
        let mut layers = server.clone();
        if let Some(prompt) = system_prompt {
            let text = serde_json::Value::from(prompt).to_string();
            layers = layers.flag("system_prompt", "stream.system_prompt", &text)?;
        }
        Ok(Self { layers })
    }

    /// The settings with these values, fitted to the checkpoint.
    ///
    /// # Errors
    /// The first invalid setting.
    pub(super) fn settings(
        &self,
        shared: &SharedModel,
        asked: &[(String, String)],
    ) -> Result<Settings, RunError> {
        let mut layers = self.layers.clone();
        for (key, value) in asked {
            layers = layers.flag(key, key, value)?;
        }
        shared.checkpoint.fit(layers.resolve()?)
    }
}

/// The adjustment that changes one session's settings to others.
///
/// # Errors
/// A setting cannot change during a stream.
pub(super) fn adjustment(
    shared: &SharedModel,
    from: &Settings,
    to: &Settings,
) -> Result<Adjustment, RunError> {
    let mut adjustment = Adjustment::default();
    for change in differences(&settings_without_secrets(from), &settings_without_secrets(to)) {
        if !threshold_and_strategy(&change.key) {
            return Err(RunError::Argument {
                argument: change.key,
                problem: "does not change while a session goes on".to_owned(),
                expected: "stream.not_talk_threshold, context.strategy, or a parameter of a strategy"
                    .to_owned(),
            });
        }
        match change.key.starts_with("context.") {
            true => adjustment.rule = Some(shared.strategies.overflow_rule(&to.context)?),
            false => adjustment.threshold = Some(to.stream.not_talk_threshold),
        }
        adjustment.settings.insert(change.key, change.other);
    }
    Ok(adjustment)
}
