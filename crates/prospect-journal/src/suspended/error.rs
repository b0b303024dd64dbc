//! Errors of the file of a suspended stream.

use std::path::PathBuf;

use prospect_foreign::one_line;
use prospect_model::StoredError;

/// Why the file of a suspended stream cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendedError {
    /// There is no such file.
    #[error("{}: there is no suspended stream: expected the file of one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Writing would overwrite a file that is not a suspended stream.
    #[error(
        "{}: is there and no checkpoint of a stream: expected a name that is free, or the checkpoint of an earlier run",
        path.display()
    )]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The bytes differ from those that were written.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the bytes.
        problem: Box<StoredError>,
    },
    /// The file's text is not a document of a suspended stream.
    #[error("{}: it does not tell of a stream: {}", path.display(), one_line(problem))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The parser's error, with its place.
        problem: serde_json::Error,
    },
    /// The file has another version of the format.
    #[error(
        "{}: was written by a program whose checkpoints have version {found}: expected a program whose checkpoints have version {expected}",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
}
