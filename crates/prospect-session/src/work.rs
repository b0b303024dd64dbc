//! The works of a session and their results.

use std::ops::Range;

use prospect_context::PositionPolicy;

/// A job for the model. Works are done in the order in which they come. A session waits for the result of a
/// work that has one ([`Work::has_result`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Encode the picture of the present frame into the embeddings for its image tokens.
    Encode {
        /// Whether the embeddings of the frame before are reused, because the pixels are the same.
        reuse: bool,
        /// Whether the cosine with the frame before has to be computed.
        compare: bool,
    },
    /// Put `ids` into the cache, then do what `then` says.
    Prefill {
        /// Token ids, in order.
        ids: Vec<u32>,
        /// Whether the embeddings of the present frame are put at the image tokens of `ids`.
        with_frame: bool,
        /// What follows the prefill.
        then: Then,
    },
    /// Continue the reply that the last prefill began.
    Decode,
    /// End the reply that is being generated.
    CutReply,
    /// Remember the present state of the cache, so that `ids` can be answered behind it while the stream
    /// continues.
    Fork {
        /// The ids of the question.
        ids: Vec<u32>,
    },
    /// Generate at most this many more tokens of the fork's answer. Afterwards the cache is as before.
    ContinueFork {
        /// The most tokens.
        max_new_tokens: usize,
    },
    /// Drop the fork, which is no longer needed.
    DropFork,
    /// Cut the cache back to its first `tokens` tokens.
    Truncate {
        /// The number of tokens that stay.
        tokens: usize,
    },
    /// Rebuild the cache from `pieces`, in order.
    Evict {
        /// The pieces of the new cache.
        pieces: Vec<ResolvedPiece>,
        /// The positions of the kept keys.
        positions: PositionPolicy,
    },
}

impl Work {
    /// Whether the session waits for a result of this work.
    pub fn has_result(&self) -> bool {
        !matches!(self, Self::CutReply | Self::Fork { .. } | Self::DropFork | Self::Truncate { .. })
    }
}

/// What follows a prefill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// The talk decision, then the reply if the model speaks.
    Decide {
        /// The most tokens of the reply.
        max_new_tokens: usize,
    },
    /// A reply, without asking whether there should be one.
    Reply {
        /// The most tokens of the reply.
        max_new_tokens: usize,
    },
    /// An answer that is removed from the cache afterwards ([`Work::Truncate`]): a summary, or the name of a
    /// step.
    Answer {
        /// The most tokens of the answer.
        max_new_tokens: usize,
        /// Whether the answer may be silence. It is silence if its probability is above one half. This is
        /// ProAssist's default for summaries.
        may_be_silent: bool,
    },
}

/// One piece of an eviction plan, with its text as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedPiece {
    /// These slots of the old cache are kept.
    Keep(Range<usize>),
    /// These tokens are prefilled.
    Tokens(Vec<u32>),
}

/// The result of a work.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// The result of [`Work::Encode`].
    Encoded {
        /// The cosine with the frame before, if it was asked for.
        similarity: Option<f64>,
    },
    /// The result of [`Work::Prefill`], [`Work::Decode`] and [`Work::ContinueFork`].
    Said(Said),
    /// The result of [`Work::Evict`].
    Evicted(Evicted),
}

/// The tokens that were generated since the last result. The engine decides how many come at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The token ids. All ids of a whole reply except for the last are in the cache.
    pub token_ids: Vec<u32>,
    /// Whether this is the last piece. For a fork, the session finds that out itself.
    pub is_finished: bool,
    /// Whether the model decided to stay silent.
    pub silent: bool,
    /// The probability of silence at the decision, if there was one.
    pub not_talk_probability: Option<f32>,
}

/// The result of an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// The length of the cache in tokens after the eviction.
    pub tokens_after: usize,
    /// Whether all positions were moved back to start at 0, because they were close to the model's maximum.
    pub positions_reset: bool,
    /// The resident memory of the process in bytes, if the system reports it.
    pub memory_bytes: Option<u64>,
}
