//! `[evaluation]`: the references with which a run is compared.

use std::path::PathBuf;

use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// Checked `[evaluation]` section.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationSettings {
    /// The annotation file of the video. It also gives substeps, requests and the system prompt.
    pub annotations: Option<PathBuf>,
    /// The folder or hub id of the sentence encoder that compares replies; `None` compares words.
    pub similarity: Option<String>,
    /// How many seconds a reference may come before the reply that is matched with it.
    pub reference_before: f64,
    /// How many seconds a reference may come after the reply that is matched with it.
    pub reference_after: f64,
}

pub(crate) fn validate(raw: &Raw) -> Result<EvaluationSettings, SettingsError> {
    let seconds = |key| raw.need(key)?.number("seconds, at least 0", |seconds| seconds >= 0.0);
    Ok(EvaluationSettings {
        annotations: raw
            .find("evaluation.annotations")
            .map(Field::filled_text)
            .transpose()?
            .map(PathBuf::from),
        similarity: raw.find("evaluation.similarity").map(Field::filled_text).transpose()?,
        reference_before: seconds("evaluation.reference_before")?,
        reference_after: seconds("evaluation.reference_after")?,
    })
}
