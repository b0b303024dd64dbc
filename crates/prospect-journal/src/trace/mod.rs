//! The trace of a stream: one JSON object per line, flushed after every frame, so that a killed process
//! leaves a readable prefix.

mod end;
mod sink;
mod writer;

pub use end::TraceEndError;
pub use sink::{Tee, TracePosition, TraceSink};
pub use writer::{TRACE_FILE, TraceWriter};
