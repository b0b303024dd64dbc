//! Why something cannot be written down, or read back.

use std::path::PathBuf;

use prospect_engine::EngineError;

use crate::suspended::SuspendedError;

/// Any failure of what is written down; its `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file that could not be looked at.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that was taken away while it was written.
    #[error("{}: was removed or replaced while it was written: what came since is lost", path.display())]
    TakenAway {
        /// The file.
        path: PathBuf,
    },
    /// Another process that writes where this one would.
    #[error("{}: {holder} writes there: expected one writer at a time", place.display())]
    Locked {
        /// The folder or file.
        place: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// A file that has the name of a lock and is none.
    #[error("{}: is no lock of this program, which {} needs: expected another name", path.display(), place.display())]
    NoLock {
        /// The file.
        path: PathBuf,
        /// The folder or file that was to be locked.
        place: PathBuf,
    },
    /// The file of a suspended stream.
    #[error(transparent)]
    Suspended(#[from] SuspendedError),
    /// A stream that its engine does not give up to be written down.
    #[error(transparent)]
    Engine(Box<EngineError>),
}

impl From<EngineError> for JournalError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}
