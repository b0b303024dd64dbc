//! The events of a trace. Fields whose names end in `ms` or `_bytes`, `threads` and `pace` are measurements of the machine; all
//! others are reproducible, but where frames are dropped.

use prospect_context::account::UserTurn;
use prospect_context::{Budget, OverflowTrigger, PositionPolicy, Role, SegmentKind};
use serde::{Deserialize, Serialize};

pub use prospect_context::simulator::PutBack;

/// Version of the trace format; raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// A segment that went into the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// What it is.
    pub kind: SegmentKind,
    /// Its length in tokens.
    pub tokens: usize,
    /// Whether an eviction has to keep it or drop everything.
    pub pinned: bool,
    /// Whether these tokens were generated at the step before: a frame's silence token, the last token of a reply. They
    /// belong to the segment before them, unless an eviction left a pinned one there. Where frames stand in the user's turn,
    /// a reply belongs to what asks for it in the same way.
    #[serde(default, skip_serializing_if = "is_false")]
    pub continues: bool,
    /// Whether it came in with the frame, though it stands behind it: what people say, where frames stand in the user's turn.
    #[serde(default, skip_serializing_if = "is_false")]
    pub with_frame: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl SegmentEntry {
    /// The entry of `tokens` tokens of one kind.
    pub fn new(kind: SegmentKind, tokens: usize, pinned: bool) -> Self {
        Self { kind, tokens, pinned, continues: false, with_frame: false }
    }
}

/// How long the stages of a frame took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Vision tower and connector; next to nothing where the frame was encoded ahead.
    pub vision_ms: f64,
    /// Prefill, decision and reply.
    pub decode_ms: f64,
    /// The whole frame, an eviction before it or, under ProAssist's rules, after it included.
    pub total_ms: f64,
}

/// How a frame of a stream with a pace of its own fared: measurements of the machine, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PaceEntry {
    /// From its arrival to its turn, in milliseconds.
    pub wait_ms: f64,
    /// From its arrival until the model was done with it.
    pub lag_ms: f64,
    /// Frames that waited behind it at its turn.
    pub queued: usize,
    /// Whether the model was done only after the next frame was due.
    pub missed: bool,
}

/// The sum of all [`PaceEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PaceSummary {
    /// Deadlines missed.
    pub missed: usize,
    /// Most frames that waited.
    pub most_queued: usize,
    /// Times that a live source was lost and came back.
    pub interruptions: usize,
    /// Median lag.
    pub p50_lag_ms: f64,
    /// 95th percentile of lags.
    pub p95_lag_ms: f64,
    /// 99th percentile of lags.
    pub p99_lag_ms: f64,
}

/// What wrote the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versions {
    /// Version of the program, with its commit where that is known.
    pub prospect: String,
}

impl Event {
    /// The budget of a stream.
    pub(crate) fn budget(budget: &Budget, user_turn: Option<&UserTurn<Vec<u32>>>) -> Self {
        let Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens } = *budget;
        let user_turn = user_turn.map(|turn| UserTurn {
            opening: turn.opening.len(),
            closing: turn.closing.len(),
            no_reply: turn.no_reply.len(),
        });
        Self::Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens, user_turn }
    }
}

/// One line of `trace.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line.
    RunStarted {
        /// [`SCHEMA_VERSION`].
        schema_version: u32,
        /// The resolved settings, as a JSON object.
        config: serde_json::Value,
        /// The checkpoint's id on the hub, or its folder's name.
        model: String,
        /// The commit, of a checkpoint of the hub.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// What the frames come from.
        source: String,
        /// Device the model runs on.
        device: String,
        /// Threads the model runs on; a measurement of the machine, like times and memory.
        threads: usize,
        /// Type the model computes in.
        dtype: String,
        /// Strategy name.
        strategy: String,
        /// What one token costs in the cache: keys and values of all layers.
        kv_bytes_per_token: usize,
        /// What wrote the trace.
        versions: Versions,
    },
    /// What the cache may hold: before the first frame, and again where changed settings change it.
    Budget {
        /// Most tokens in the cache.
        max_seq_len: usize,
        /// Tokens that stay free before a chunk goes in.
        reserved_seq_len: usize,
        /// Longest reply, with what asks for it.
        max_reply_tokens: usize,
        /// Largest summary, prompt and answer.
        max_summary_tokens: usize,
        /// Tokens that open and close a user's turn, where frames stand in one (`stream.frames_in`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_turn: Option<UserTurn<usize>>,
    },
    /// A system or user message that goes in with the next frame.
    Message {
        /// Who says it: the system prompt or the person.
        role: Role,
        /// Its text.
        text: String,
        /// Stream time in seconds.
        time: f64,
    },
    /// A frame that went in.
    Frame {
        /// Number of the frame in the sampled stream, from 0.
        index: usize,
        /// Stream time in seconds.
        time: f64,
        /// What went in, in order.
        segments: Vec<SegmentEntry>,
        /// Cache length after the frame and its reply.
        cache_tokens: usize,
        /// Whether the assistant spoke, though nothing of it may be in the cache: one token, or a reply that a reference
        /// stands for.
        #[serde(default)]
        spoke: bool,
        /// Whether its pixels are those of the frame before, whose encoding stands for it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encoding_reused: bool,
        /// Cosine with the frame before it, where the strategy asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        similarity: Option<f64>,
        /// Probability of silence at the decision; absent where none was taken.
        #[serde(skip_serializing_if = "Option::is_none")]
        not_talk_probability: Option<f32>,
        /// How it fared against the stream's own pace, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pace: Option<PaceEntry>,
        /// How long it took.
        #[serde(flatten)]
        times: StageTimes,
    },
    /// The assistant spoke.
    Reply {
        /// Frame after which it spoke.
        frame: usize,
        /// Stream time in seconds.
        time: f64,
        /// The cleaned text.
        text: String,
        /// The generated ids.
        token_ids: Vec<u32>,
        /// Whether it was cut because it repeats itself (`generation.max_repeats`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        repeats: bool,
    },
    /// A cache overflow and what survived it.
    Overflow {
        /// Stream time in seconds.
        time: f64,
        /// Strategy that decided.
        strategy: String,
        /// Why the cache had to be reduced.
        trigger: OverflowTrigger,
        /// Tokens about to come in.
        incoming: usize,
        /// Of these, tokens that were generated and are not in the cache yet.
        #[serde(default)]
        pending: usize,
        /// Cache length after the first step with a user message, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial_tokens: Option<usize>,
        /// Cache length before.
        tokens_before: usize,
        /// Cache length after.
        tokens_after: usize,
        /// Slots kept, as `[start, end)` pairs of the cache before.
        kept: Vec<[usize; 2]>,
        /// Texts put back, in order.
        put_back: Vec<PutBack>,
        /// Position policy.
        positions: PositionPolicy,
        /// Whether positions were moved back to start at 0.
        positions_reset: bool,
        /// Resident memory of the process afterwards.
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_bytes: Option<u64>,
        /// Time of the whole eviction, summaries included.
        ms: f64,
    },
    /// A summary the model wrote for an overflow.
    Summary {
        /// Stream time in seconds.
        time: f64,
        /// The prompt that asked for it.
        prompt: String,
        /// Its cleaned text.
        text: String,
        /// The generated ids.
        token_ids: Vec<u32>,
        /// Of one that was written before the overflow: it sums up the slots before this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        covers: Option<usize>,
        /// Time it took.
        ms: f64,
    },
    /// A frame that never reached the model.
    FrameDropped {
        /// Why.
        reason: String,
        /// Its number, where the source had one for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        /// Its stream time in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<f64>,
    },
    /// Settings that somebody changed while the stream went on. Where the budget changes with them, a `budget` follows.
    SettingsChanged {
        /// The new values, by their keys.
        settings: serde_json::Map<String, serde_json::Value>,
        /// The strategy from here on.
        strategy: String,
    },
    /// What is to be said of the source, though no frame of it is lost.
    SourceNote {
        /// In one line.
        message: String,
    },
    /// A live source was lost and is back.
    SourceInterrupted {
        /// What happened, in one line.
        message: String,
    },
    /// A failure; the run ends after it.
    Error {
        /// One line.
        message: String,
    },
    /// The last line.
    RunFinished {
        /// Frames that went in.
        frames: usize,
        /// Frames that never reached the model.
        frames_dropped: usize,
        /// Frames that were not encoded again.
        #[serde(default)]
        encodings_reused: usize,
        /// Replies given.
        replies: usize,
        /// Overflows handled.
        overflows: usize,
        /// Largest cache length seen.
        peak_cache_tokens: usize,
        /// Peak resident memory of the process.
        #[serde(skip_serializing_if = "Option::is_none")]
        peak_memory_bytes: Option<u64>,
        /// Median frame time.
        p50_ms: f64,
        /// 95th percentile of frame times.
        p95_ms: f64,
        /// 99th percentile of frame times.
        p99_ms: f64,
        /// How the stream's own pace was kept, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pace: Option<PaceSummary>,
    },
}
