//! Why a stream cannot be opened, served or taken up again.

use prospect_context::PositionPolicy;
use prospect_model::{ModelError, StoredError};
use prospect_processor::ProcessorError;
use prospect_session::{SessionError, UnfitSession};

/// Any failure of an engine or of one of its streams.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The loop itself: strategy, budget, texts.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The checkpoint's weights, or the computation.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture that the processor does not take.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// A pass over several streams that failed as a whole.
    #[error("{problem}")]
    Pass {
        /// What the model says.
        problem: String,
    },
    /// A stream whose tensors cannot be written down.
    #[error("the checkpoint: {0}")]
    Stored(#[from] StoredError),
    /// A stream that was written down and does not fit.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// A plan whose positions the cache was not made for.
    #[error("the plan wants positions {}, the cache was made for {}", plan.as_str(), cache.as_str())]
    Positions {
        /// What the plan wants.
        plan: PositionPolicy,
        /// What the cache was made for.
        cache: PositionPolicy,
    },
    /// A stream that would not fit into the memory that the engine may take.
    #[error("a stream of {needed} bytes does not fit: {taken} of {limit} bytes are taken by others")]
    NoMemory {
        /// What its cache would take.
        needed: u64,
        /// What the caches of the other streams take.
        taken: u64,
        /// What all caches may take.
        limit: u64,
    },
    /// A stream that is asked for something while it is about something else.
    #[error("the stream is at work: expected it to be written down between two frames")]
    AtWork,
    /// The engine has stopped, or its thread failed.
    #[error("the engine has stopped: expected it to run for as long as its streams")]
    Stopped,
    /// The system gives no thread.
    #[error("the engine: no thread can be had: {0}")]
    Thread(std::io::Error),
}

impl EngineError {
    /// Whether what the engine was given is at fault, and not the work.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Session(error) => error.is_bad_input(),
            Self::Model(error) => error.is_bad_checkpoint(),
            Self::Processor(_) | Self::Unfit(_) => true,
            Self::Stored(_)
            | Self::Pass { .. }
            | Self::Positions { .. }
            | Self::NoMemory { .. }
            | Self::AtWork
            | Self::Stopped
            | Self::Thread(_) => false,
        }
    }
}

/// What of a stream's state does not fit together, or not to the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitError {
    /// What the loop remembers.
    #[error(transparent)]
    Session(#[from] UnfitSession),
    /// Tensors of another shape.
    #[error(transparent)]
    Tensors(#[from] StoredError),
    /// What the model remembers is not what it would remember.
    #[error("the model's part: {0}")]
    Model(#[from] serde_json::Error),
}
