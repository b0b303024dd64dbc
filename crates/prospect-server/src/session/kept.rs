//! What is written down of a session beside its stream: whose it is, what it was asked for, and whether it can go on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::id::is_id;
use crate::guard::Caller;
use crate::order::SessionOrder;

/// Its file in the session's folder.
const FILE: &str = "session.json";
const UNFINISHED: &str = ".session.json";

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
    /// Writes this down in the session's folder, which is made; what is there is whole at any moment.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let unfinished = folder.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, folder.join(FILE))
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
