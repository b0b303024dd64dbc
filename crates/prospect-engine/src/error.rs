//! The errors of opening, serving and resuming streams.

use prospect_context::PositionPolicy;
use prospect_model::{ModelError, StoredError};
use prospect_processor::ProcessorError;
use prospect_session::{SessionError, UnfitSession};

/// Any failure of an engine or of one of its streams.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An error of the loop: strategy, budget or texts.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// An error of the checkpoint's weights or of the computation.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The processor does not accept a picture.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// A pass over several streams failed as a whole.
    #[error("{problem}")]
    Pass {
        /// The message of the model.
        problem: String,
    },
    /// The tensors of a stream cannot be saved.
    #[error("the checkpoint: {0}")]
    Stored(#[from] StoredError),
    /// A saved stream does not fit the model or the settings.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// A plan has another position policy than the cache.
    #[error("the plan wants positions {}, the cache was made for {}", plan.as_str(), cache.as_str())]
    Positions {
        /// The policy of the plan.
        plan: PositionPolicy,
        /// The policy for which the cache was built.
        cache: PositionPolicy,
    },
    /// The cache of a stream does not fit into the memory limit of the engine.
    #[error("a cache of {needed} bytes does not fit: {taken} of {limit} bytes are taken by others")]
    NoMemory {
        /// The bytes that its cache would take.
        needed: u64,
        /// The bytes that the caches of the other streams take.
        taken: u64,
        /// The bytes that all caches together may take.
        limit: u64,
    },
    /// The stream is busy with a frame, and the request is possible only between two frames.
    #[error("the stream is at work: expected it to be written down between two frames")]
    AtWork,
    /// The engine has stopped, or its thread failed.
    #[error("the engine has stopped: expected it to run for as long as its streams")]
    Stopped,
    /// The system could not start a thread.
    #[error("the engine: no thread can be had: {0}")]
    Thread(std::io::Error),
}

impl EngineError {
    /// Whether the error comes from a bad input to the engine, and not from its work.
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

/// A contradiction within a stream's saved state, or between the state and the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitError {
    /// The state of the loop is not valid.
    #[error(transparent)]
    Session(#[from] UnfitSession),
    /// A tensor has another shape.
    #[error(transparent)]
    Tensors(#[from] StoredError),
    /// The state of the model cannot be read.
    #[error("the model's part: {0}")]
    Model(#[from] serde_json::Error),
}
