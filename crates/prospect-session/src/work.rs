//! What a session wants done, and what came of it.

use std::ops::Range;

use prospect_context::PositionPolicy;

/// Something that only the model can do. Works are done in the order in which they come; a session waits for the result of
/// those that have one ([`Work::has_result`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Make the picture of the frame whose turn it is into the embeddings that stand at its image tokens.
    Encode {
        /// The pixels are those of the frame before, and so are the embeddings.
        reuse: bool,
        /// The cosine with the frame before is wanted.
        compare: bool,
    },
    /// Put `ids` into the cache, then do what `then` says.
    Prefill {
        /// Token ids, in order.
        ids: Vec<u32>,
        /// Whether the embeddings of the frame whose turn it is stand at their image tokens.
        with_frame: bool,
        /// What follows.
        then: Then,
    },
    /// Go on with the reply that the last prefill began.
    Decode,
    /// The reply in the making ends here.
    CutReply,
    /// Remember the cache as it is now, so that `ids` can be answered behind it while it goes on.
    Fork {
        /// What is answered.
        ids: Vec<u32>,
    },
    /// At most so many more tokens of the fork's answer; the cache is as before afterwards.
    ContinueFork {
        /// Most tokens.
        max_new_tokens: usize,
    },
    /// The fork is not needed any more.
    DropFork,
    /// Cut the cache back to its first `tokens` tokens.
    Truncate {
        /// How many stay.
        tokens: usize,
    },
    /// Rebuild the cache from `pieces`, in order.
    Evict {
        /// What it is rebuilt from.
        pieces: Vec<ResolvedPiece>,
        /// Where kept keys stand afterwards.
        positions: PositionPolicy,
    },
}

impl Work {
    /// Whether the session waits for what comes of it.
    pub fn has_result(&self) -> bool {
        !matches!(self, Self::CutReply | Self::Fork { .. } | Self::DropFork | Self::Truncate { .. })
    }
}

/// What a prefill is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the chunk only goes in.
    Nothing,
    /// The talk decision, then the reply if the model speaks.
    Decide {
        /// Longest reply, in tokens.
        max_new_tokens: usize,
    },
    /// A reply, without asking whether there should be one.
    Reply {
        /// Longest reply, in tokens.
        max_new_tokens: usize,
    },
    /// An answer that is taken back out of the cache afterwards ([`Work::Truncate`]): a summary, the name of a step.
    Answer {
        /// Longest answer, in tokens.
        max_new_tokens: usize,
        /// Whether silence is a possible answer, where its probability is above one half: ProAssist's default, by which it
        /// decides on summaries.
        may_be_silent: bool,
    },
}

/// One piece of an eviction plan whose texts have become tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedPiece {
    /// These cache slots come back.
    Keep(Range<usize>),
    /// These tokens are prefilled.
    Tokens(Vec<u32>),
}

/// What came of a work.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Of [`Work::Encode`].
    Encoded {
        /// The cosine with the frame before, if it was asked for.
        similarity: Option<f64>,
    },
    /// Of [`Work::Prefill`], [`Work::Decode`] and [`Work::ContinueFork`].
    Said(Said),
    /// Of [`Work::Evict`].
    Evicted(Evicted),
}

/// Tokens that were generated since the last result. How many come at once is up to who has the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The ids; of a whole reply all but the last are in the cache.
    pub token_ids: Vec<u32>,
    /// Nothing follows. (Of a fork, the session knows by itself.)
    pub is_finished: bool,
    /// Whether the decision was to stay silent.
    pub silent: bool,
    /// Probability of staying silent at the decision, where one was taken.
    pub not_talk_probability: Option<f32>,
}

/// What an eviction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// Cache length afterwards.
    pub tokens_after: usize,
    /// Whether all positions were moved back to start at 0 because the model's maximum was near.
    pub positions_reset: bool,
    /// Resident memory of the process, where the system tells.
    pub memory_bytes: Option<u64>,
}
