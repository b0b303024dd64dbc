//! The files of a stream: its trace ([`TraceWriter`]), and the suspended stream itself
//! ([`SuspendedFile`]), which another process can resume.
//!
//! A suspended stream's file is either complete or absent, even if the process or the machine dies
//! ([`write_whole`]). Each place has one writer ([`Lock`]). The trace is written event by event, so a
//! crash can leave a part of it. Its length and checksum ([`TracePosition`]) are stored with the
//! suspended stream: events written later are cut off when the stream resumes.
//!
//! The caller that drives a stream supplies two values of its own types: the progress of the source,
//! and the identity of the stream. Both are stored as given. [`Stamp`] and [`differences`] help to
//! check that the identity is unchanged when a stream resumes.

mod difference;
mod error;
mod lock;
mod stamp;
mod suspended;
mod trace;
mod whole_file;

pub use difference::{Difference, differences};
pub use error::JournalError;
pub use lock::Lock;
pub use stamp::Stamp;
pub use suspended::{SuspendedError, SuspendedFile, SuspendedStream, write_suspended};
pub use trace::{TRACE_FILE, Tee, TraceEndError, TracePosition, TraceSink, TraceWriter};
pub use whole_file::{UNFINISHED, write_whole};
