//! Our own format.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::check::check;
use super::levels::steps_for_substeps;
use super::version::VERSION;
use super::{Annotations, AnnotationsError, Message, Substep};

/// The file before its entries are read. They stay JSON values at first, so that an error can name the wrong
/// entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u64,
    fps: Option<f64>,
    system_prompt: Option<String>,
    task_knowledge: Option<String>,
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    steps: Vec<Value>,
    #[serde(default)]
    substeps: Vec<Value>,
    #[serde(default)]
    actions: Vec<Value>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    fps: Option<f64>,
    system_prompt: Option<&'a str>,
    task_knowledge: Option<&'a str>,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "<[Substep]>::is_empty")]
    steps: &'a [Substep],
    substeps: &'a [Substep],
    #[serde(skip_serializing_if = "<[Substep]>::is_empty")]
    actions: &'a [Substep],
}

/// Parses the text as JSON of any content.
pub(super) fn value(text: &str, path: &Path) -> Result<Value, AnnotationsError> {
    serde_json::from_str(text).map_err(|error| AnnotationsError::malformed(path, &error))
}

pub(super) fn read(text: &str, path: &Path) -> Result<Annotations, AnnotationsError> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| AnnotationsError::malformed(path, &error))?;
    if raw.version != VERSION {
        return Err(AnnotationsError::Version { path: path.to_owned(), version: raw.version });
    }
    let mut annotations = Annotations {
        fps: raw.fps,
        system_prompt: raw.system_prompt,
        task_knowledge: raw.task_knowledge,
        messages: entries(raw.messages, "messages", path)?,
        steps: entries(raw.steps, "steps", path)?,
        substeps: entries(raw.substeps, "substeps", path)?,
        actions: entries(raw.actions, "actions", path)?,
    };
    check(&annotations, path)?;
    steps_for_substeps(&mut annotations);
    Ok(annotations)
}

/// The text of a file with annotations that [`check`] accepts.
pub(super) fn write(annotations: &Annotations) -> Result<String, serde_json::Error> {
    let Annotations { fps, system_prompt, task_knowledge, messages, steps, substeps, actions } = annotations;
    let written = Written {
        version: VERSION,
        fps: *fps,
        system_prompt: system_prompt.as_deref(),
        task_knowledge: task_knowledge.as_deref(),
        messages,
        steps,
        substeps,
        actions,
    };
    Ok(serde_json::to_string_pretty(&written)? + "\n")
}

fn entries<T: DeserializeOwned>(
    values: Vec<Value>,
    list: &'static str,
    path: &Path,
) -> Result<Vec<T>, AnnotationsError> {
    let entry = |(index, value)| {
        serde_json::from_value(value)
            .map_err(|error| AnnotationsError::entry(path, &format!("{list}[{index}]"), &error))
    };
    values.into_iter().enumerate().map(entry).collect()
}
