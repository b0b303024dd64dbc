//! What can be wrong with the file of a suspended stream.

use std::path::PathBuf;

use prospect_foreign::one_line;
use prospect_model::StoredError;

/// What can be wrong with the file of a suspended stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendedError {
    /// There is no such file.
    #[error("{}: there is no suspended stream: expected the file of one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file that would be lost.
    #[error(
        "{}: is there and no checkpoint of a stream: expected a name that is free, or the checkpoint of an earlier run",
        path.display()
    )]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not those that were written.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        problem: Box<StoredError>,
    },
    /// A text that is none of ours.
    #[error("{}: it does not tell of a stream: {}", path.display(), one_line(problem))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        problem: serde_json::Error,
    },
    /// A format of another version.
    #[error(
        "{}: was written by a program whose checkpoints have version {found}: expected a program whose checkpoints have version {expected}",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        found: u32,
        /// The version that can be read.
        expected: u32,
    },
}
