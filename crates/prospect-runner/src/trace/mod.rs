//! The trace of a run: one JSON object a line, flushed per frame, so that a killed run leaves a readable prefix.

mod event;
mod laws;
mod reader;
mod writer;

pub use event::{Event, PaceEntry, PaceSummary, PutBack, SCHEMA_VERSION, SegmentEntry, StageTimes, Versions};
pub use laws::broken_laws;
pub use reader::{TraceError, read_trace};
pub use writer::{TRACE_FILE, Tee, TraceEndError, TracePosition, TraceSink, TraceWriter};
