//! What can go wrong in a run, and the exit code that says so.

use std::path::PathBuf;

use prospect_context::PlanError;
use prospect_model::ModelError;
use prospect_processor::ProcessorError;

use crate::annotations::AnnotationsError;
use crate::source::SourceError;

/// Any failure of a command; its `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting that does not hold, alone or with the checkpoint.
    #[error(transparent)]
    Settings(#[from] prospect_config::SettingsError),
    /// The video or folder of images.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The annotation file.
    #[error(transparent)]
    Annotations(#[from] AnnotationsError),
    /// The checkpoint's text and image side.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The checkpoint's weights, or the computation.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The context strategy could not make a lawful plan.
    #[error("context strategy: {0}")]
    Plan(#[from] PlanError),
    /// Something asked for that cannot be had.
    #[error("{0}")]
    Input(String),
    /// An overflow in a run that allows none.
    #[error(
        "the cache overflowed at {time:.1} s with strategy unlimited: {cache_tokens} tokens in the cache, {incoming} coming in; expected context.max_seq_len above the stream's length"
    )]
    UnexpectedOverflow {
        /// Stream time in seconds.
        time: f64,
        /// Tokens in the cache.
        cache_tokens: usize,
        /// Tokens about to come in.
        incoming: usize,
    },
    /// A chunk that does not fit even after an eviction.
    #[error(
        "a chunk of {incoming} tokens does not fit: {cache_tokens} in the cache after eviction, expected at most {max_seq_len} in all with {reply} reserved for a reply"
    )]
    NoRoom {
        /// Tokens about to come in.
        incoming: usize,
        /// Tokens in the cache.
        cache_tokens: usize,
        /// Tokens set aside for a reply.
        reply: usize,
        /// The cache's bound.
        max_seq_len: usize,
    },
    /// A summary that came back empty.
    #[error("the summary at {time:.1} s is empty: expected the model to answer the prompt {prompt:?}")]
    EmptySummary {
        /// Stream time in seconds.
        time: f64,
        /// The summary prompt.
        prompt: String,
    },
    /// A file that could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// 2 for bad input, 130 for an interruption, 1 for a failure at work.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Source(_) | Self::Annotations(_) | Self::Processor(_) | Self::Input(_) => 2,
            Self::Model(error) if error.is_bad_checkpoint() => 2,
            Self::Interrupted => 130,
            Self::Model(_)
            | Self::Plan(_)
            | Self::UnexpectedOverflow { .. }
            | Self::NoRoom { .. }
            | Self::EmptySummary { .. }
            | Self::Write { .. } => 1,
        }
    }
}
