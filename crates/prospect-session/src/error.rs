//! The errors of a session.

use prospect_context::PlanError;
use prospect_context::account::NoRoom;

use crate::language::LanguageError;
use crate::unlawful_change::UnlawfulChange;

/// Any failure of a session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The context strategy could not make a lawful plan.
    #[error("context strategy: {0}")]
    Plan(#[from] PlanError),
    /// The texts that an eviction puts back do not fit.
    #[error("context strategy: {0}")]
    PutBack(#[from] NoRoom),
    /// The tokenizer or the chat template of the checkpoint refuses a text.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// A user message of the settings or annotations cannot be encoded.
    #[error("the request at {time} s cannot be encoded: {problem}")]
    Request {
        /// The stream time in seconds at which it would go in.
        time: f64,
        /// The message of the tokenizer or of the template.
        problem: String,
    },
    /// A person's message would not fit beside a frame and a reply.
    #[error("a message of {tokens} tokens does not fit: expected at most {most}")]
    MessageTooLong {
        /// The tokens of the message.
        tokens: usize,
        /// The most tokens that fit beside the opening, a frame and the longest reply.
        most: usize,
    },
    /// The cache overflowed in a run without a strategy.
    #[error(
        "the cache overflowed at {time:.1} s with strategy unlimited: {cache_tokens} tokens in the cache, {incoming} coming in; expected context.max_seq_len above the stream's length"
    )]
    UnexpectedOverflow {
        /// The stream time in seconds.
        time: f64,
        /// The number of tokens in the cache.
        cache_tokens: usize,
        /// The number of tokens about to come in.
        incoming: usize,
    },
    /// A chunk does not fit, even after an eviction.
    #[error(
        "a chunk of {incoming} tokens does not fit: {cache_tokens} in the cache after eviction, expected at most {max_seq_len} in all with {reply} reserved for a reply"
    )]
    NoRoom {
        /// The number of tokens about to come in.
        incoming: usize,
        /// The number of tokens in the cache.
        cache_tokens: usize,
        /// The tokens that are reserved for a reply.
        reply: usize,
        /// The most tokens that the cache may hold.
        max_seq_len: usize,
    },
    /// The model wrote an empty summary.
    #[error("the summary at {time:.1} s is empty: expected the model to answer the prompt {prompt:?}")]
    EmptySummary {
        /// The stream time in seconds.
        time: f64,
        /// The prompt of the summary.
        prompt: String,
    },
    /// The strategy needs the dialogue state, but the run will never have one.
    #[error(
        "context.strategy = {strategy:?} works from the steps of the task: expected annotations with substeps, or stream.talk = \"on_transition\" with stream.on_transition.substep_source = \"model\""
    )]
    MissingDialogueState {
        /// The name of the strategy.
        strategy: String,
    },
    /// A strategy cannot replace another one while the stream goes on.
    #[error("the strategy cannot change from {from} to {to} while the stream goes on: {problem}")]
    UnlawfulChange {
        /// The present strategy.
        from: String,
        /// The new strategy.
        to: String,
        /// The reason.
        problem: UnlawfulChange,
    },
    /// An input came at the wrong moment: a frame while another one is being processed, or a result for which
    /// nothing waits.
    #[error("{found} came while the session {state}: expected {expected}")]
    OutOfTurn {
        /// The input.
        found: &'static str,
        /// What the session was doing.
        state: &'static str,
        /// What the session waits for.
        expected: &'static str,
    },
    /// The cache and the session's ledger have different lengths.
    #[error("the cache holds {cache} tokens after an eviction: expected {ledger}")]
    CacheLength {
        /// The number of tokens in the cache.
        cache: usize,
        /// The number of tokens in the ledger.
        ledger: usize,
    },
}

impl SessionError {
    /// Whether the error comes from a bad input to the session, and not from its work.
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Language(_)
            | Self::Request { .. }
            | Self::MessageTooLong { .. }
            | Self::MissingDialogueState { .. }
            | Self::UnlawfulChange { .. } => true,
            Self::Plan(_)
            | Self::PutBack(_)
            | Self::UnexpectedOverflow { .. }
            | Self::NoRoom { .. }
            | Self::EmptySummary { .. }
            | Self::OutOfTurn { .. }
            | Self::CacheLength { .. } => false,
        }
    }
}

/// A contradiction within a session's memory, or between the memory and the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitSession {
    /// The ledger does not cover the cache.
    #[error("the ledger covers {ledger} tokens, the cache holds {cache}: expected as many")]
    Ledger {
        /// The number of tokens in the ledger.
        ledger: usize,
        /// The number of tokens in the cache.
        cache: usize,
    },
    /// The next request is behind the last one.
    #[error("the next request is number {next_request} of {requests}: expected one of them")]
    Request {
        /// The index of the next request.
        next_request: usize,
        /// The number of requests.
        requests: usize,
    },
    /// A summary was begun behind the end of the cache, or a part of its state is missing.
    #[error("the summary that was begun has lost its cache or its text: expected both")]
    Fork,
    /// There is a picture without its encoding, or an encoding without its picture.
    #[error("the frame before: expected its encoding and what it was made from, or neither")]
    LastFrame,
}
