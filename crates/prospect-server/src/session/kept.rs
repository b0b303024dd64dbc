//! What is written down of a session beside its stream: whose it is, what it was asked for, and whether it can go on.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::id::is_id;
use crate::guard::Caller;
use crate::order::SessionOrder;
use crate::private_file::write_private;

/// Its file in the session's folder.
const FILE: &str = "session.json";

/// A session without its stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) owner: Caller,
    pub(super) order: SessionOrder,
    /// Whether it has come to its end.
    pub(super) is_over: bool,
}

impl Kept {
    /// Writes this down in the session's folder, which is made. What it was asked for may hold the password of a camera.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        write_private(folder, FILE, &serde_json::to_vec(self)?)
    }

    /// Every session in a folder, by name; what is none is passed over.
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
