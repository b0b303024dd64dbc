//! The files that a checkpoint's weights lie in.

use std::path::Path;

use serde::Serialize;

use super::cache;

/// How many they are, how large, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WeightFiles {
    /// One, or the number of shards.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Whether they are here, or on the hub alone.
    pub downloaded: bool,
}

impl WeightFiles {
    /// Those of a checkpoint folder; `None` if one is missing.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let names = match folder.join(cache::WEIGHTS).exists() {
            true => [cache::WEIGHTS.to_owned()].into(),
            false => cache::shards(&folder.join(cache::WEIGHTS_INDEX)).ok()?,
        };
        let bytes = names.iter().map(|name| Some(folder.join(name).metadata().ok()?.len()));
        Some(Self { files: names.len(), bytes: bytes.sum::<Option<u64>>()?, downloaded: true })
    }
}
