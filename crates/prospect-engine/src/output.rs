//! The outputs of a stream.

use prospect_context::Budget;
use prospect_session::{Event, Reply, RunStatistics, SessionMemory, Words};

use crate::error::EngineError;
use crate::stream_model::SuspendedModel;

/// An output of a stream. Outputs come in order.
#[derive(Debug)]
pub enum Output {
    /// An event: a line of the stream's trace.
    Event(Event),
    /// The next words of a reply that is being generated, if
    /// [`StreamSetup::tells_words`](crate::StreamSetup::tells_words) is set. They are not a line of the
    /// trace.
    Words(Words),
    /// A frame is done. It comes with the reply to it, if there is one.
    FrameDone(Option<Reply>),
    /// The stream has failed. Its remaining frames give no outputs.
    Failed(EngineError),
}

/// The progress of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamPosition {
    /// The statistics so far.
    pub statistics: RunStatistics,
    /// The number of tokens in the cache.
    pub cache_tokens: usize,
    /// The budget of the cache.
    pub budget: Budget,
}

/// The state of a stream between two frames, for saving.
pub struct SuspendedParts<'a> {
    /// The state of the loop.
    pub memory: SessionMemory,
    /// The state of the model.
    pub model: SuspendedModel<'a>,
}
