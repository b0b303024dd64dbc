//! The events of a trace. Fields whose names end in `ms` or `_bytes`, `threads` and `pace` are measurements
//! of the machine. All other fields are reproducible, except in runs that drop frames.

use prospect_context::account::UserTurn;
use prospect_context::{Budget, OverflowTrigger, PositionPolicy, Role, SegmentKind};
use serde::{Deserialize, Serialize};

pub use prospect_context::simulator::PutBack;

/// The version of the trace format. It is raised when a field changes its meaning.
pub const SCHEMA_VERSION: u32 = 2;

/// A segment that went into the cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentEntry {
    /// The kind of the segment.
    pub kind: SegmentKind,
    /// The length of the segment in tokens.
    pub tokens: usize,
    /// Whether an eviction has to keep this segment or drop everything.
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
    /// An entry for `tokens` tokens of one kind.
    pub fn new(kind: SegmentKind, tokens: usize, pinned: bool) -> Self {
        Self { kind, tokens, pinned, continues: false, with_frame: false }
    }
}

/// The times of the stages of a frame, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// The time of vision tower and connector. It is close to 0 if the frame was encoded ahead.
    pub vision_ms: f64,
    /// The time of prefill, decision and reply.
    pub decode_ms: f64,
    /// The time of the whole frame. It includes an eviction before the frame or, under ProAssist's rules,
    /// after it.
    pub total_ms: f64,
}

/// The delay of a frame of a live stream or of a file in real time. All fields are measurements of the
/// machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PaceEntry {
    /// The time from the arrival of the frame to its turn, in milliseconds.
    pub wait_ms: f64,
    /// The time from the arrival of the frame until the model was done with it, in milliseconds.
    pub lag_ms: f64,
    /// The number of frames that waited behind it at its turn.
    pub queued: usize,
    /// Whether the model was done only after the next frame was due.
    pub missed: bool,
}

/// A summary of all [`PaceEntry`] values of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PaceSummary {
    /// The number of missed deadlines.
    pub missed: usize,
    /// The largest number of frames that waited.
    pub most_queued: usize,
    /// How many times a live source was lost and came back.
    pub interruptions: usize,
    /// The median of the lags, in milliseconds.
    pub p50_lag_ms: f64,
    /// The 95th percentile of the lags, in milliseconds.
    pub p95_lag_ms: f64,
    /// The 99th percentile of the lags, in milliseconds.
    pub p99_lag_ms: f64,
}

/// The versions of the program that wrote the trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versions {
    /// The version of the program, with its commit if that is known.
    pub prospect: String,
}

impl Event {
    /// The event for the budget of a stream.
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
        /// The id of the checkpoint on the hub, or the name of its folder.
        model: String,
        /// The commit of a checkpoint from the hub.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
        /// The source of the frames.
        source: String,
        /// The device on which the model runs.
        device: String,
        /// The number of threads on which the model runs. Like times and memory, it is a measurement of the
        /// machine.
        threads: usize,
        /// The number type in which the model computes.
        dtype: String,
        /// The name of the strategy.
        strategy: String,
        /// The bytes of one token in the cache: the keys and values of all layers.
        kv_bytes_per_token: usize,
        /// The versions of the program that wrote the trace.
        versions: Versions,
    },
    /// The budget of the cache. It comes before the first frame, and again if changed settings change it.
    Budget {
        /// The most tokens in the cache.
        max_seq_len: usize,
        /// The tokens that have to be free before a chunk goes in.
        reserved_seq_len: usize,
        /// The tokens of the longest reply, including the prompt that asks for it.
        max_reply_tokens: usize,
        /// The tokens of the largest summary, prompt and answer.
        max_summary_tokens: usize,
        /// Tokens that open and close a user's turn, where frames stand in one (`stream.frames_in`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_turn: Option<UserTurn<usize>>,
    },
    /// A system or user message that goes in with the next frame.
    Message {
        /// The role of the message: system or user.
        role: Role,
        /// The text of the message.
        text: String,
        /// The stream time in seconds.
        time: f64,
    },
    /// A frame that went in.
    Frame {
        /// The number of the frame in the sampled stream, counted from 0.
        index: usize,
        /// The stream time in seconds.
        time: f64,
        /// The segments that went in, in order.
        segments: Vec<SegmentEntry>,
        /// The length of the cache in tokens after the frame and its reply.
        cache_tokens: usize,
        /// Whether the assistant spoke. It can be true although no reply is in the cache: for a reply of one
        /// token, or for a reply that a reference replaces.
        #[serde(default)]
        spoke: bool,
        /// Whether the pixels are exactly those of the frame before, so that its encoding was reused.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        encoding_reused: bool,
        /// The cosine of the embedding with that of the frame before, if the strategy asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        similarity: Option<f64>,
        /// The probability of silence at the decision. It is absent if there was no decision.
        #[serde(skip_serializing_if = "Option::is_none")]
        not_talk_probability: Option<f32>,
        /// The delay of the frame, for a live stream or a file in real time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pace: Option<PaceEntry>,
        /// The times of the stages of the frame.
        #[serde(flatten)]
        times: StageTimes,
    },
    /// The assistant spoke.
    Reply {
        /// The number of the frame after which the assistant spoke.
        frame: usize,
        /// The stream time in seconds.
        time: f64,
        /// The text of the reply, without special tokens.
        text: String,
        /// The generated token ids.
        token_ids: Vec<u32>,
        /// Whether the reply was cut because it repeats itself (`generation.max_repeats`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        repeats: bool,
    },
    /// A cache overflow and its result.
    Overflow {
        /// The stream time in seconds.
        time: f64,
        /// The strategy that made the plan.
        strategy: String,
        /// The reason why the cache had to be reduced.
        trigger: OverflowTrigger,
        /// The number of tokens about to come in.
        incoming: usize,
        /// The number of these tokens that were generated and are not in the cache yet.
        #[serde(default)]
        pending: usize,
        /// The length of the cache in tokens after the first step with a user message, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        initial_tokens: Option<usize>,
        /// The length of the cache in tokens before the eviction.
        tokens_before: usize,
        /// The length of the cache in tokens after the eviction.
        tokens_after: usize,
        /// The kept slots, as `[start, end)` pairs of the old cache.
        kept: Vec<[usize; 2]>,
        /// The texts that were put back, in order.
        put_back: Vec<PutBack>,
        /// The position policy.
        positions: PositionPolicy,
        /// Whether positions were moved back to start at 0.
        positions_reset: bool,
        /// The resident memory of the process after the eviction, in bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_bytes: Option<u64>,
        /// The time of the whole eviction in milliseconds, including its summaries.
        ms: f64,
    },
    /// A summary that the model wrote for an overflow.
    Summary {
        /// The stream time in seconds.
        time: f64,
        /// The prompt that asked for it.
        prompt: String,
        /// The text of the summary, without special tokens.
        text: String,
        /// The generated token ids.
        token_ids: Vec<u32>,
        /// For a summary that was written before the overflow: it covers the slots before this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        covers: Option<usize>,
        /// The time that the summary took, in milliseconds.
        ms: f64,
    },
    /// A frame that never reached the model.
    FrameDropped {
        /// The reason.
        reason: String,
        /// The number of the frame, if the source knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<usize>,
        /// The stream time of the frame in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time: Option<f64>,
    },
    /// Settings were changed while the stream went on. If the budget changes with them, a `budget` event
    /// follows.
    SettingsChanged {
        /// The new values by their keys.
        settings: serde_json::Map<String, serde_json::Value>,
        /// The name of the strategy from now on.
        strategy: String,
    },
    /// A note about the source. No frame is lost.
    SourceNote {
        /// The note, in one line.
        message: String,
    },
    /// A live source was lost and has been reached again.
    SourceInterrupted {
        /// What happened, in one line.
        message: String,
    },
    /// A failure, after which the run ends.
    Error {
        /// The message, in one line.
        message: String,
    },
    /// The last line.
    RunFinished {
        /// The number of frames that went in.
        frames: usize,
        /// The number of frames that never reached the model.
        frames_dropped: usize,
        /// The number of frames that reused the encoding of the frame before.
        #[serde(default)]
        encodings_reused: usize,
        /// The number of replies.
        replies: usize,
        /// The number of overflows.
        overflows: usize,
        /// The largest length of the cache, in tokens.
        peak_cache_tokens: usize,
        /// The peak resident memory of the process, in bytes.
        #[serde(skip_serializing_if = "Option::is_none")]
        peak_memory_bytes: Option<u64>,
        /// The median of frame times, in milliseconds.
        p50_ms: f64,
        /// The 95th percentile of frame times, in milliseconds.
        p95_ms: f64,
        /// The 99th percentile of frame times, in milliseconds.
        p99_ms: f64,
        /// The delays of the frames, for a live stream or a file in real time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pace: Option<PaceSummary>,
    },
}
