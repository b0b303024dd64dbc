//! What a suspended stream was a stream of: it cannot go on over anything else.

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

/// Everything that a stream depends on, but for its own past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    prospect: String,
    settings: Value,
    model: Input,
    source: Input,
    annotations: Input,
}

/// A file or folder, as it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    name: String,
    stamp: Stamp,
}

impl Input {
    /// A file or folder is known by its contents; what is neither, such as a pattern or a camera, by its name alone, but for what
    /// of it is a secret: of that not even a digest is written down, as a short password can be guessed by it.
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

/// Whether a path leads to contents that stay: a pipe has none.
fn is_contents(path: &Path) -> bool {
    path.is_file() || path.is_dir()
}

/// Whether a setting may be another one when a stream goes on.
pub type MayChange = fn(&str) -> bool;

/// No setting may.
pub(super) fn nothing(_: &str) -> bool {
    false
}

/// What may change of a stream while it goes on: when silence wins, and which strategy decides, with its parameters.
pub fn threshold_and_strategy(key: &str) -> bool {
    let of_strategy = |rest: &str| {
        let table = rest.split_once('.').map_or(rest, |(table, _)| table);
        matches!(table, "strategy" | "custom") || ExceedContextHandling::is_built_in(table)
    };
    key == "stream.not_talk_threshold" || key.strip_prefix("context.").is_some_and(of_strategy)
}

impl Identity {
    /// The values of `settings` that differ from those under which the stream was written down.
    pub fn changes_to(&self, settings: &Settings) -> Map<String, Value> {
        let all = differences(&self.settings, &run::settings_without_secrets(settings));
        all.into_iter().map(|difference| (difference.key, difference.other)).collect()
    }

    /// # Errors
    /// A file that cannot be looked at.
    pub(super) fn of(settings: &Settings, model: &ModelFiles, source: &str) -> Result<Self, RunError> {
        Ok(Self {
            prospect: VERSION.to_owned(),
            // Settings are numbers, words and lists: they always become JSON.
            settings: run::settings_without_secrets(settings),
            model: Input::of_model(model)?,
            source: Input::of(Some(source.as_ref()))?,
            annotations: Input::of(annotations_file(settings, source).as_deref())?,
        })
    }

    /// # Errors
    /// The first thing in which a checkpoint's identity (`self`) is not that of the run that would go on.
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
