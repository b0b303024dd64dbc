//! The record of a session besides its stream: its owner, its request, and whether it has ended.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::id::is_id;
use crate::guard::Caller;
use crate::order::SessionOrder;
use crate::private_file::{private_folder, write_private};

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
        private_folder(folder)?;
        write_private(folder, FILE, &serde_json::to_vec(self)?)
    }

    /// All records in a folder, sorted by name. Other folders are skipped; a record that cannot be read is
    /// reported in the log.
    pub(super) fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        let read = |entry: io::Result<std::fs::DirEntry>| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str().filter(|name| is_id(name))?;
            match Self::read(&path.join(FILE)) {
                Ok(kept) if kept.id == name => Some(kept),
                Ok(kept) => {
                    tracing::error!(session = name, "lost: its record is that of {:?}", kept.id);
                    None
                }
                Err(error) => {
                    tracing::error!(session = name, "lost: its record cannot be read: {error}");
                    None
                }
            }
        };
        let mut all: Vec<Self> = entries.filter_map(read).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}
