//! `[evaluation]`: what a run is compared with.

use std::path::PathBuf;

use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// Checked `[evaluation]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationSettings {
    /// Annotation file of the video; also the source of substeps, requests and the system prompt.
    pub annotations: Option<PathBuf>,
    /// Folder or hub id of the sentence encoder that compares replies; `None` compares words.
    pub similarity: Option<String>,
}

pub(crate) fn validate(raw: &Raw) -> Result<EvaluationSettings, SettingsError> {
    Ok(EvaluationSettings {
        annotations: raw
            .find("evaluation.annotations")
            .map(Field::filled_text)
            .transpose()?
            .map(PathBuf::from),
        similarity: raw.find("evaluation.similarity").map(Field::filled_text).transpose()?,
    })
}
