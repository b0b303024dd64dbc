//! Why a session cannot begin, go on or be taken up again.

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
    /// What an eviction puts back does not fit.
    #[error("context strategy: {0}")]
    PutBack(#[from] NoRoom),
    /// A text that the checkpoint's tokenizer or template refuses.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// A request that the model cannot be asked.
    #[error("the request at {time} s cannot be encoded: {problem}")]
    Request {
        /// When it would go in, in seconds of stream time.
        time: f64,
        /// What the tokenizer or the template says.
        problem: String,
    },
    /// Something that a person says, and that would not fit beside a frame and a reply.
    #[error("a message of {tokens} tokens does not fit: expected at most {most}")]
    MessageTooLong {
        /// Its tokens.
        tokens: usize,
        /// Most tokens that fit beside the opening, a frame and the longest reply.
        most: usize,
    },
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
    /// A strategy that works from the dialogue state, in a run that never has one.
    #[error(
        "context.strategy = {strategy:?} works from the steps of the task: expected annotations with substeps, or stream.talk = \"on_transition\" with stream.on_transition.substep_source = \"model\""
    )]
    MissingDialogueState {
        /// The strategy's name.
        strategy: String,
    },
    /// A strategy that cannot take over a stream that has begun.
    #[error("the strategy cannot change from {from} to {to} while the stream goes on: {problem}")]
    UnlawfulChange {
        /// The strategy that decides now.
        from: String,
        /// The strategy that was to take over.
        to: String,
        /// Why it cannot.
        problem: UnlawfulChange,
    },
    /// An input that comes at the wrong moment: a frame while one is worked on, a result that nobody waits for.
    #[error("{found} came while the session {state}: expected {expected}")]
    OutOfTurn {
        /// What came.
        found: &'static str,
        /// What the session was about.
        state: &'static str,
        /// What it waits for.
        expected: &'static str,
    },
    /// A cache that is not as long as the session's ledger says.
    #[error("the cache holds {cache} tokens after an eviction: expected {ledger}")]
    CacheLength {
        /// Tokens in the cache.
        cache: usize,
        /// Tokens by the ledger.
        ledger: usize,
    },
}

impl SessionError {
    /// Whether what the session was given is at fault, and not the work.
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

/// What of a session's memory does not fit together, or not to its settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitSession {
    /// A ledger that does not cover the cache.
    #[error("the ledger covers {ledger} tokens, the cache holds {cache}: expected as many")]
    Ledger {
        /// Tokens by the ledger.
        ledger: usize,
        /// Tokens in the cache.
        cache: usize,
    },
    /// A request behind the last one.
    #[error("the next request is number {next_request} of {requests}: expected one of them")]
    Request {
        /// Which one would be next.
        next_request: usize,
        /// How many there are.
        requests: usize,
    },
    /// A summary that is begun behind the end of the cache, or half of one.
    #[error("the summary that was begun has lost its cache or its text: expected both")]
    Fork,
    /// A picture without its encoding, or the other way round.
    #[error("the frame before: expected its encoding and what it was made from, or neither")]
    LastFrame,
}
