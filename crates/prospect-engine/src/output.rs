//! What comes of a stream.

use prospect_session::{Event, Reply, SessionMemory};

use crate::error::EngineError;
use crate::stream_model::SuspendedModel;

/// What comes of a stream, in order.
#[derive(Debug)]
pub enum Output {
    /// A line of its trace.
    Event(Event),
    /// A frame is over; with what the assistant said to it.
    FrameDone(Option<Reply>),
    /// The stream has failed; nothing more comes of its frames.
    Failed(EngineError),
}

/// A stream that is written down, between two frames.
pub struct SuspendedParts<'a> {
    /// What the loop remembers.
    pub memory: SessionMemory,
    /// What the model remembers.
    pub model: SuspendedModel<'a>,
}
