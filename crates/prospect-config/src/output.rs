//! `[output]`: the files and the output of a run.

use std::path::PathBuf;

use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// Checked `[output]` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSettings {
    /// The folder for the trace and the files that are made from it; `None` lets the runner choose.
    pub dir: Option<PathBuf>,
    /// Whether standard output is JSON.
    pub json: bool,
}

pub(crate) fn validate(raw: &Raw) -> Result<OutputSettings, SettingsError> {
    Ok(OutputSettings {
        dir: raw.find("output.dir").map(Field::filled_text).transpose()?.map(PathBuf::from),
        json: raw.need("output.json")?.switch()?,
    })
}
