//! What comes of a stream.

use prospect_context::Budget;
use prospect_session::{Event, Reply, RunStatistics, SessionMemory, Words};

use crate::error::EngineError;
use crate::stream_model::SuspendedModel;

/// What comes of a stream, in order.
#[derive(Debug)]
pub enum Output {
    /// A line of its trace.
    Event(Event),
    /// What a reply goes on with while it is generated, where [`StreamSetup::tells_words`](crate::StreamSetup::tells_words) asks for it. No line of
    /// the trace.
    Words(Words),
    /// A frame is over; with what the assistant said to it.
    FrameDone(Option<Reply>),
    /// The stream has failed; nothing more comes of its frames.
    Failed(EngineError),
}

/// How far a stream has come.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamPosition {
    /// The figures so far.
    pub statistics: RunStatistics,
    /// Tokens in the cache.
    pub cache_tokens: usize,
    /// What the cache may hold.
    pub budget: Budget,
}

/// A stream that is written down, between two frames.
pub struct SuspendedParts<'a> {
    /// What the loop remembers.
    pub memory: SessionMemory,
    /// What the model remembers.
    pub model: SuspendedModel<'a>,
}
