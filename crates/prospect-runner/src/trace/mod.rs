//! The trace of a run: one JSON object a line, flushed per frame, so that a killed run leaves a readable prefix.

mod reader;
mod writer;

pub use prospect_session::{
    Event, PaceEntry, PaceSummary, PutBack, SCHEMA_VERSION, SegmentEntry, StageTimes, Versions, broken_laws,
};
pub use reader::{TraceError, read_trace};
pub use writer::{TRACE_FILE, Tee, TraceEndError, TracePosition, TraceSink, TraceWriter};
