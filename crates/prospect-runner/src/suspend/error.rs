//! Errors of resuming a run.

use std::path::PathBuf;

use prospect_engine::UnfitError;
use prospect_foreign::one_line;
use prospect_journal::{SuspendedError, TraceEndError};

/// Why a run cannot use its `--checkpoint` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// The file itself is invalid.
    #[error("--checkpoint {0}")]
    File(SuspendedError),
    /// The file does not exist.
    #[error(
        "--checkpoint {}: there is none to resume from: expected one that a run with --checkpoint wrote (without --resume the stream begins anew)",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The stream of an earlier run would be lost.
    #[error(
        "--checkpoint {}: holds the stream of an earlier run: expected --resume to go on with it, or --overwrite to begin anew",
        path.display()
    )]
    Kept {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by another version of the program.
    #[error("--checkpoint {}: was written by prospect {found}: expected prospect {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that wrote it.
        found: String,
        /// The version of this program.
        expected: String,
    },
    /// The stream had other settings.
    #[error(
        "--checkpoint {}: the settings differ in {key}, which was {found} and is {expected}: expected the same",
        path.display()
    )]
    Settings {
        /// The file.
        path: PathBuf,
        /// The first setting that differs.
        key: String,
        /// Its value in the file.
        found: String,
        /// Its value now.
        expected: String,
    },
    /// The stream had another model, source or annotations.
    #[error(
        "--checkpoint {}: the {what} was {found}, and is {expected} or was changed since: expected the same",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What differs: `model`, `source` or `annotations`.
        what: &'static str,
        /// The one in the file.
        found: String,
        /// The present one.
        expected: String,
    },
    /// The source has become shorter.
    #[error(
        "--checkpoint {}: the stream had come to item {items} of its source, which ends at {found}: expected the same source",
        path.display()
    )]
    SourceEnded {
        /// The file.
        path: PathBuf,
        /// The position of the stream.
        items: usize,
        /// The end of the source.
        found: usize,
    },
    /// The trace does not belong to the suspended stream.
    #[error("--checkpoint {}: its trace {} {problem}", path.display(), trace.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Path of the trace.
        trace: PathBuf,
        /// What is wrong with the trace.
        problem: TraceEndError,
    },
    /// The state does not fit the model and the settings.
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
