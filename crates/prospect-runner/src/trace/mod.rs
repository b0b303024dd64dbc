//! The trace of a run: one JSON object a line, flushed per frame, so that a killed run leaves a readable prefix.

mod end;
mod writer;

pub use end::TraceEndError;
pub use prospect_evaluation::{TraceError, read_trace};
pub use prospect_session::{
    Event, PaceEntry, PaceSummary, PutBack, SCHEMA_VERSION, SegmentEntry, StageTimes, Versions, broken_laws,
};
pub use writer::{TRACE_FILE, Tee, TracePosition, TraceSink, TraceWriter};
