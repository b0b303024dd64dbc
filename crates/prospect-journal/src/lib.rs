//! What is written down of a stream: its trace ([`TraceWriter`]), and the stream itself, so that it outlives its process
//! ([`SuspendedFile`]). A file is there whole or not at all, whenever the process or the machine dies ([`write_whole`]), and a
//! place has one writer ([`Lock`]). The file that is written event by event, the trace, is known by its length and checksum
//! ([`TracePosition`]), so that what was written behind a suspended stream can be cut off again.
//!
//! Who drives streams says what belongs to one of its own: how far it has come, and what it is a stream of. Both are written
//! down as they are given; [`Stamp`] and [`differences`] help to tell whether that is the same when a stream goes on.

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
