//! What a session asks for, over the settings that the server was started with.

use prospect_config::{Layers, Settings};
use prospect_engine::Adjustment;
use prospect_journal::differences;

use super::shared::SharedModel;
use crate::error::RunError;
use crate::run::settings_without_secrets;
use crate::suspend::threshold_and_strategy;

/// The layers of one session's settings.
pub(super) struct Asked {
    layers: Layers,
}

impl Asked {
    /// Of a session over `server`'s settings. `system_prompt` is the one of the session's first frame.
    ///
    /// # Errors
    /// A prompt that is no value.
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
    /// The first setting that is refused.
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

/// The change from one session's settings to others.
///
/// # Errors
/// A setting that cannot change while a stream goes on.
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
