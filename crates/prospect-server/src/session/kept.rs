//! The record of a session besides its stream: its owner, its request, and whether it has ended.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::id::is_id;
use crate::guard::Caller;
use crate::order::SessionOrder;
use crate::private_file::write_private;

/// Name of the record's file in the session's folder.
const FILE: &str = "session.json";

/// A session without its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) owner: Caller,
    pub(super) order: SessionOrder,
    /// Whether the session has ended.
    pub(super) is_over: bool,
}

impl Kept {
    /// Writes the record to the session's folder, which is created. Only the server's user can read it,
    /// because the request may contain a camera's password.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        write_private(folder, FILE, &serde_json::to_vec(self)?)
    }

    /// All records in a folder, sorted by name. Other folders are skipped.
    pub(super) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let read = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let kept: Self = serde_json::from_slice(&std::fs::read(path.join(FILE)).ok()?).ok()?;
            let name = path.file_name()?.to_str()?;
            (kept.id == name && is_id(name)).then_some(kept)
        };
        let mut all: Vec<Self> = entries.filter_map(read).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }
}
