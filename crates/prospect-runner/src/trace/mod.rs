//! The trace of a run: one JSON object a line, flushed per frame, so that a killed run leaves a readable prefix.

mod event;
mod writer;

pub use event::{Event, PutBack, SegmentEntry, SCHEMA_VERSION, Versions};
pub use writer::{TraceSink, TraceWriter};
