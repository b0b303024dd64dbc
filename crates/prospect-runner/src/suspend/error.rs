//! Why a run cannot be resumed.

use std::path::PathBuf;

use prospect_engine::UnfitError;
use prospect_foreign::one_line;
use prospect_journal::{SuspendedError, TraceEndError};

/// Why a run cannot go on with what its `--checkpoint` holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// What is wrong with the file itself.
    #[error("--checkpoint {0}")]
    File(SuspendedError),
    /// There is no such file.
    #[error(
        "--checkpoint {}: there is none to resume from: expected one that a run with --checkpoint wrote (without --resume the stream begins anew)",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A stream that would be lost.
    #[error(
        "--checkpoint {}: holds the stream of an earlier run: expected --resume to go on with it, or --overwrite to begin anew",
        path.display()
    )]
    Kept {
        /// The file.
        path: PathBuf,
    },
    /// A program of another version.
    #[error("--checkpoint {}: was written by prospect {found}: expected prospect {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What wrote it.
        found: String,
        /// What reads it.
        expected: String,
    },
    /// A stream under other settings.
    #[error(
        "--checkpoint {}: the settings differ in {key}, which was {found} and is {expected}: expected the same",
        path.display()
    )]
    Settings {
        /// The file.
        path: PathBuf,
        /// The first setting that differs.
        key: String,
        /// What it was.
        found: String,
        /// What it is now.
        expected: String,
    },
    /// A stream of something else.
    #[error(
        "--checkpoint {}: the {what} was {found}, and is {expected} or was changed since: expected the same",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// `model`, `source` or `annotations`.
        what: &'static str,
        /// What it was.
        found: String,
        /// What it is now.
        expected: String,
    },
    /// A source that has become shorter.
    #[error(
        "--checkpoint {}: the stream had come to item {items} of its source, which ends at {found}: expected the same source",
        path.display()
    )]
    SourceEnded {
        /// The file.
        path: PathBuf,
        /// Where the stream was.
        items: usize,
        /// Where the source ends.
        found: usize,
    },
    /// A trace that the checkpoint does not go with.
    #[error("--checkpoint {}: its trace {} {problem}", path.display(), trace.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// The trace.
        trace: PathBuf,
        /// What is wrong with it.
        problem: TraceEndError,
    },
    /// State that does not fit model and settings.
    #[error("--checkpoint {}: {}", path.display(), one_line(problem))]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: UnfitError,
    },
}

impl From<SuspendedError> for SuspendError {
    fn from(error: SuspendedError) -> Self {
        match error {
            SuspendedError::Missing { path } => Self::Missing { path },
            error => Self::File(error),
        }
    }
}
