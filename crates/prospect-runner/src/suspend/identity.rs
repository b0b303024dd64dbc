//! The identity of a suspended stream. It can only be resumed with the same identity.

use std::path::Path;

use prospect_config::{ExceedContextHandling, Settings};
use prospect_journal::{Difference, Stamp, differences};
use prospect_source::without_secrets;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::SuspendError;
use crate::error::RunError;
use crate::model_files::ModelFiles;
use crate::run::{self, annotations_file};
use crate::version::VERSION;

/// Everything that a stream depends on, except its own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    prospect: String,
    settings: Value,
    model: Input,
    source: Input,
    annotations: Input,
}

/// A file or folder, identified by its contents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    stamp: Stamp,
}

impl Input {
    /// Files and folders are identified by their contents. Other sources, such as a pattern or a
    /// camera, are identified by their name without secrets: not even a digest of a password is stored,
    /// because a short password could be guessed from it.
    fn of(path: Option<&Path>) -> Result<Self, RunError> {
        let Some(path) = path else { return Ok(Self { name: "none".to_owned(), stamp: Stamp::default() }) };
        let name = without_secrets(&path.display().to_string());
        let stamp = if is_contents(path) { Stamp::of(path)? } else { Stamp::of_text(&name) };
        Ok(Self { name, stamp })
    }

    fn of_model(model: &ModelFiles) -> Result<Self, RunError> {
        Ok(Self { name: model.path().display().to_string(), stamp: model.stamp()? })
    }
}

/// Whether a path leads to permanent contents. A pipe has none.
fn is_contents(path: &Path) -> bool {
    path.is_file() || path.is_dir()
}

/// Whether the setting with this key may change when a stream is resumed.
pub type MayChange = fn(&str) -> bool;

/// No setting may change.
pub(super) fn nothing(_: &str) -> bool {
    false
}

/// The settings that may change during a stream: the threshold of silence, and the strategy with its
/// parameters.
pub fn threshold_and_strategy(key: &str) -> bool {
    let of_strategy = |rest: &str| {
        let table = rest.split_once('.').map_or(rest, |(table, _)| table);
        matches!(table, "strategy" | "custom") || ExceedContextHandling::is_built_in(table)
    };
    key == "stream.not_talk_threshold" || key.strip_prefix("context.").is_some_and(of_strategy)
}

/// Key of the system prompt.
const SYSTEM_PROMPT: &str = "stream.system_prompt";

/// The settings that may change during a stream of a server: also the system prompt.
#[cfg(feature = "serve")]
pub fn threshold_strategy_and_prompt(key: &str) -> bool {
    key == SYSTEM_PROMPT || threshold_and_strategy(key)
}

impl Identity {
    /// The values of `settings` that differ from those of the suspended stream. A new prompt is not one of
    /// them: it is in the trace as the message that goes in with the next frame.
    pub fn changes_to(&self, settings: &Settings) -> Map<String, Value> {
        let all = differences(&self.settings, &run::settings_without_secrets(settings));
        let changes = all.into_iter().filter(|difference| difference.key != SYSTEM_PROMPT);
        changes.map(|difference| (difference.key, difference.other)).collect()
    }

    /// # Errors
    /// A file cannot be read.
    pub(super) fn of(settings: &Settings, model: &ModelFiles, source: &str) -> Result<Self, RunError> {
        Ok(Self {
            prospect: VERSION.to_owned(),
            // Settings always serialize.
            settings: run::settings_without_secrets(settings),
            model: Input::of_model(model)?,
            source: Input::of(Some(source.as_ref()))?,
            annotations: Input::of(annotations_file(settings, source).as_deref())?,
        })
    }

    /// # Errors
    /// The first difference between the identity of a suspended stream (`self`) and that of the run
    /// that would resume it.
    pub(super) fn check(&self, run: &Self, path: &Path, may_change: MayChange) -> Result<(), SuspendError> {
        let Self { prospect, settings, model, source, annotations } = self;
        let path = || path.to_owned();
        if *prospect != run.prospect {
            let (found, expected) = (prospect.clone(), run.prospect.clone());
            return Err(SuspendError::Version { path: path(), found, expected });
        }
        let mut all = differences(settings, &run.settings).into_iter();
        let difference = all.find(|difference| !may_change(&difference.key));
        if let Some(Difference { key, one, other }) = difference {
            let (found, expected) = (one.to_string(), other.to_string());
            return Err(SuspendError::Settings { path: path(), key, found, expected });
        }
        let inputs = [
            ("model", model, &run.model),
            ("source", source, &run.source),
            ("annotations file", annotations, &run.annotations),
        ];
        match inputs.into_iter().find(|(_, was, is)| was.stamp != is.stamp) {
            Some((what, was, is)) => Err(SuspendError::Other {
                path: path(),
                what,
                found: was.name.clone(),
                expected: is.name.clone(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_threshold_and_the_strategy_may_change() {
        let may = [
            "stream.not_talk_threshold",
            "context.strategy",
            "context.drop_middle",
            "context.hybrid.last_keep_len",
        ];
        let may_not = ["context.max_seq_len", "context.rules", "context", "stream.fps", "generation.seed"];
        assert!(may.into_iter().all(threshold_and_strategy));
        assert!(!may_not.into_iter().any(threshold_and_strategy));
    }

    #[test]
    fn a_password_leaves_no_digest() {
        let camera = |address: &str| Input::of(Some(address.as_ref())).unwrap();
        assert_eq!(camera("rtsp://user:1234@camera/1"), camera("rtsp://user:5678@camera/1"));
        assert_ne!(camera("rtsp://user:1234@camera/1"), camera("rtsp://user:1234@camera/2"));
    }
}
