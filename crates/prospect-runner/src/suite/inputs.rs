//! What a result was made from, so that a result of something else is not taken for it.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::dataset::Video;
use super::variant::Variant;
use crate::checkpoint;
use crate::error::RunError;

/// Everything that a run depends on. Files by length and time of change: reading gigabytes of weights to know that they are
/// the same would take longer than a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The resolved settings, but for where the output goes.
    config: serde_json::Value,
    /// The checkpoint folder.
    model: Stamp,
    /// The video.
    video: Stamp,
    /// Its annotations.
    annotations: Stamp,
    /// This program.
    program: Stamp,
}

/// A file, or all files of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    /// Nanoseconds since 1970 of the latest change.
    modified_ns: u64,
}

impl Inputs {
    /// The inputs of one run.
    ///
    /// # Errors
    /// A file that cannot be looked at.
    pub fn of(variant: &Variant, video: &Video) -> Result<Self, RunError> {
        let mut config = serde_json::to_value(&variant.settings).unwrap_or_default();
        if let Some(config) = config.as_object_mut() {
            config.remove("output");
        }
        let model = match variant.is_sanity() {
            true => Stamp::default(),
            false => Stamp::of(&checkpoint::find(variant.settings.model.path.as_deref())?)?,
        };
        let program = std::env::current_exe().ok().map(|program| Stamp::of(&program)).transpose()?;
        Ok(Self {
            config,
            model,
            video: Stamp::of(&video.source)?,
            annotations: Stamp::of(&video.annotations)?,
            program: program.unwrap_or_default(),
        })
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, RunError> {
        Self::look(path).map_err(|source| RunError::Read { path: path.to_owned(), source })
    }

    fn look(path: &Path) -> std::io::Result<Self> {
        let about = std::fs::metadata(path)?;
        if !about.is_dir() {
            let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            return Ok(Self { bytes: about.len(), modified_ns: modified.as_nanos() as u64 });
        }
        let mut stamp = Self::default();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                let file = Self::look(&entry.path())?;
                stamp.bytes += file.bytes;
                stamp.modified_ns = stamp.modified_ns.max(file.modified_ns);
            }
        }
        Ok(stamp)
    }
}
