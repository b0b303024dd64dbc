//! The lines of a `trace.jsonl` that tell what the cache held. Fields that are not named here are ignored.

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
        /// The strategy's name.
        strategy: String,
    },
    /// The budget, once before the first frame.
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
    /// Most tokens the cache may ever hold.
    pub max_seq_len: usize,
    /// Tokens that stay free before a chunk goes in.
    pub reserved_seq_len: usize,
    /// Longest reply, with the prompt that asks for it.
    pub max_reply_tokens: usize,
    /// Largest summary: its prompt and its answer.
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

/// A segment that went in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSegment {
    /// What it is.
    pub kind: SegmentKind,
    /// Its length in tokens.
    pub tokens: usize,
    /// Whether an eviction has to keep it or drop everything.
    pub pinned: bool,
    /// Whether the tokens extend the segment before them.
    #[serde(default)]
    pub continues: bool,
    /// Whether it came in with the frame, though it stands behind it.
    #[serde(default)]
    pub with_frame: bool,
}

/// A frame, what went in before it, and the reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedFrame {
    /// Number of the frame in the stream, from 0.
    pub index: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// What went in, in order: up to and including the last frame the chunk, behind it the reply and its prompt.
    pub segments: Vec<RecordedSegment>,
    /// Tokens in the cache after the reply.
    pub cache_tokens: usize,
    /// Whether the assistant spoke; without it, where a reply stands behind the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spoke: Option<bool>,
    /// Cosine of the frame's embedding with that of the frame before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

/// An eviction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedOverflow {
    /// Stream time in seconds.
    pub time: f64,
    /// Tokens about to come in, the pending ones included.
    pub incoming: usize,
    /// Tokens generated but not in the cache yet.
    #[serde(default)]
    pub pending: usize,
    /// Cache length after the first step that carried a user message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_tokens: Option<usize>,
    /// Tokens in the cache before.
    pub tokens_before: usize,
    /// Tokens in the cache afterwards.
    pub tokens_after: usize,
    /// Slots kept, as `[start, end)` pairs of the cache before.
    pub kept: Vec<[usize; 2]>,
    /// What was put back, in order.
    pub put_back: Vec<PutBack>,
}
