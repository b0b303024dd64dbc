//! The lines of a `trace.jsonl` that say what the cache held. Fields that are not named here are ignored.

use serde::{Deserialize, Serialize};

use crate::account::UserTurn;
use crate::budget::Budget;
use crate::segment::SegmentKind;
use crate::simulator::report::PutBack;

/// One line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TraceEvent {
    /// The first line.
    RunStarted {
        /// The name of the strategy.
        strategy: String,
    },
    /// The budget, exactly once and before the first frame.
    Budget(RecordedBudget),
    /// A frame that went in.
    Frame(RecordedFrame),
    /// An eviction.
    Overflow(RecordedOverflow),
    /// Any other line.
    #[serde(other)]
    Other,
}

/// The budget of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedBudget {
    /// The most tokens that the cache may ever hold.
    pub max_seq_len: usize,
    /// The tokens that have to be free before a chunk goes in.
    pub reserved_seq_len: usize,
    /// The tokens of the longest reply, including the prompt that asks for it.
    pub max_reply_tokens: usize,
    /// The tokens of the largest summary, prompt and answer.
    pub max_summary_tokens: usize,
    /// Tokens that open and close a user's turn, where frames stand in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_turn: Option<UserTurn<usize>>,
}

impl From<RecordedBudget> for Budget {
    fn from(recorded: RecordedBudget) -> Self {
        let RecordedBudget {
            max_seq_len,
            reserved_seq_len,
            max_reply_tokens,
            max_summary_tokens,
            user_turn: _,
        } = recorded;
        Self { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens }
    }
}

/// A segment that went into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSegment {
    /// The kind of the segment.
    pub kind: SegmentKind,
    /// The length of the segment in tokens.
    pub tokens: usize,
    /// Whether an eviction has to keep this segment or drop everything.
    pub pinned: bool,
    /// Whether the tokens extend the segment before them.
    #[serde(default)]
    pub continues: bool,
    /// Whether it came in with the frame, though it stands behind it.
    #[serde(default)]
    pub with_frame: bool,
}

/// A frame, the segments that went in before it, and the reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedFrame {
    /// The number of the frame in the stream, counted from 0.
    pub index: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// The segments that went in, in order. Those up to and including the last frame are the chunk; those
    /// behind it are the reply and its prompt.
    pub segments: Vec<RecordedSegment>,
    /// The number of tokens in the cache after the reply.
    pub cache_tokens: usize,
    /// Whether the assistant spoke. If it is `None`, the assistant spoke if a reply follows the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoke: Option<bool>,
    /// The cosine of the frame's embedding with that of the frame before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

/// An eviction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedOverflow {
    /// Stream time in seconds.
    pub time: f64,
    /// The number of tokens about to come in, including the pending ones.
    pub incoming: usize,
    /// The number of tokens that were generated and are not in the cache yet.
    #[serde(default)]
    pub pending: usize,
    /// The length of the cache after the first step that carried a user message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_tokens: Option<usize>,
    /// The number of tokens in the cache before the eviction.
    pub tokens_before: usize,
    /// The number of tokens in the cache after the eviction.
    pub tokens_after: usize,
    /// The kept slots, as `[start, end)` pairs of the old cache.
    pub kept: Vec<[usize; 2]>,
    /// The texts that were put back, in order.
    pub put_back: Vec<PutBack>,
}
