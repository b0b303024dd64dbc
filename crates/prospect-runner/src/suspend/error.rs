//! Why a stream cannot be resumed.

use std::path::PathBuf;

use prospect_engine::UnfitError;
use prospect_model::StoredError;

use crate::trace::TraceEndError;
use prospect_foreign::one_line;

/// What can be wrong with the file of a suspended stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// There is no such file.
    #[error(
        "--checkpoint {}: there is none to resume from: expected one that a run with --checkpoint wrote (without --resume the stream begins anew)",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file that would be lost.
    #[error(
        "--checkpoint {}: is there and no checkpoint of a stream: expected a name that is free, or the checkpoint of an earlier run",
        path.display()
    )]
    Taken {
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
    /// The bytes are not those that a run wrote.
    #[error("--checkpoint {}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        problem: StoredError,
    },
    /// A text that is none of ours.
    #[error("--checkpoint {}: it does not tell of a stream: {}", path.display(), one_line(problem))]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        problem: serde_json::Error,
    },
    /// A format, or a program, of another version.
    #[error("--checkpoint {}: was written by {found}: expected {expected}", path.display())]
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
