//! Errors of writing a stream's files and of reading them back.

use std::path::PathBuf;

use prospect_engine::EngineError;

use crate::suspended::SuspendedError;

/// Any failure to write or read a stream's files. Its `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A file could not be read or inspected.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file was deleted or replaced while it was being written.
    #[error("{}: was removed or replaced while it was written: what came since is lost", path.display())]
    TakenAway {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes to the same place.
    #[error("{}: {holder} writes there: expected one writer at a time", place.display())]
    Locked {
        /// The folder or file.
        place: PathBuf,
        /// The process that holds the lock.
        holder: String,
    },
    /// A file has the name of a lock file but is not one.
    #[error("{}: is no lock of this program, which {} needs: expected another name", path.display(), place.display())]
    NoLock {
        /// The file.
        path: PathBuf,
        /// The folder or file that was to be locked.
        place: PathBuf,
    },
    /// The file of a suspended stream is unusable.
    #[error(transparent)]
    Suspended(#[from] SuspendedError),
    /// The engine could not hand out the stream's state, so that it could not be suspended.
    #[error(transparent)]
    Engine(Box<EngineError>),
}

impl From<EngineError> for JournalError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}
