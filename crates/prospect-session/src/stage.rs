//! The state of a session: what it waits for, and what it knows about the frame that it processes.

use std::time::Duration;

use prospect_context::account::Incoming;
use prospect_context::{
    Encoded, EvictionPlan, OverflowTrigger, Piece, PositionPolicy, Role, SegmentKind, SummaryRequest,
};
use serde::{Deserialize, Serialize};

use crate::error::SessionError;
use crate::event::{Event, PutBack, SegmentEntry};
use crate::frame::{FrameDone, FrameInput, Reply};
use crate::work::Said;

/// What a session waits for.
pub(crate) enum Stage {
    /// A frame.
    Idle,
    /// The rest of a summary that was begun before the overflow.
    FinishingEarly(Box<Turn>, Overflow),
    /// A summary.
    Summarising(Box<Turn>, Summarising),
    /// The rebuilt cache.
    Evicting(Box<Turn>, Evicting),
    /// The frame's embeddings.
    Encoding(Box<Turn>),
    /// The decision after the frame, and the reply if there is one.
    Deciding(Box<Turn>, Saying),
    /// The name of the step.
    NamingStep(Box<Turn>, Saying),
    /// A reply for which a prompt asked.
    Replying(Box<Turn>, Saying),
    /// A few tokens of a summary, at most this many.
    WritingEarly(Box<Turn>, usize),
}

impl Stage {
    /// What the session is doing, for an error message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Idle => "waits for a frame",
            Self::FinishingEarly(..) => "finishes a summary",
            Self::Summarising(..) => "asks for a summary",
            Self::Evicting(..) => "evicts",
            Self::Encoding(_) => "encodes a frame",
            Self::Deciding(..) => "takes a frame in",
            Self::NamingStep(..) => "asks for the step",
            Self::Replying(..) => "replies",
            Self::WritingEarly(..) => "writes a summary early",
        }
    }
}

/// The result of a step: `Some` if the frame is over, `None` if there is more work.
pub(crate) type Next = Result<Option<FrameDone>, SessionError>;

/// The frame that is being processed.
pub(crate) struct Turn {
    pub(crate) input: FrameInput,
    pub(crate) began: Duration,
    /// The chunk of the frame, until it goes in.
    pub(crate) own: Chunk,
    pub(crate) frame_tokens: usize,
    pub(crate) carries_request: bool,
    /// The messages that the trace shows when the chunk is in.
    pub(crate) messages: Vec<(Role, String)>,
    /// The most tokens of a reply.
    pub(crate) room: usize,
    pub(crate) encoding_reused: bool,
    pub(crate) similarity: Option<f64>,
    pub(crate) vision_ms: f64,
    /// The time at which the present stage began.
    pub(crate) since: Duration,
    pub(crate) entries: Vec<SegmentEntry>,
    pub(crate) not_talk_probability: Option<f32>,
    /// The ids of the reply, if there is one.
    pub(crate) spoken: Option<Vec<u32>>,
    /// Whether the reply was cut because it repeats itself.
    pub(crate) repeats: bool,
    /// The length of the cache, and the number of entries for the trace, before the reply.
    pub(crate) before_reply: usize,
    pub(crate) shown: usize,
    /// Whether the frame is over, except for an eviction after it.
    pub(crate) is_over: bool,
    pub(crate) reply: Option<Reply>,
}

/// A frame whose event waits for the eviction behind it, because the eviction is a part of its time.
pub(crate) struct Held {
    pub(crate) frame: Event,
    pub(crate) began: Duration,
    pub(crate) behind: Vec<Event>,
}

/// The token ids of one step, divided into segments.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) ids: Vec<u32>,
    pub(crate) segments: Vec<Incoming>,
    /// The messages that the trace shows when the chunk is in.
    pub(crate) messages: Vec<(Role, String)>,
    /// The number of user messages in the chunk.
    pub(crate) requests: usize,
    /// The number of these messages that come from settings or annotations.
    pub(crate) known_requests: usize,
    /// The number of these messages that people said during the stream.
    pub(crate) said: usize,
    /// Whether the chunk has the texts that open the stream.
    pub(crate) carries_opening: bool,
    /// The tokens of the frame.
    pub(crate) frame_tokens: usize,
    /// Of its segments, those behind the frame.
    pub(crate) behind_frame: usize,
}

impl Chunk {
    pub(crate) fn push(&mut self, encoded: &Encoded, pinned: bool) {
        self.ids.extend_from_slice(&encoded.ids);
        for segment in &encoded.segments {
            self.segments.push(Incoming { pinned, ..Incoming::new(segment.kind, segment.tokens.len()) });
        }
    }

    pub(crate) fn push_message(&mut self, role: Role, text: String, encoded: &Encoded) {
        self.push(encoded, role == Role::System);
        self.messages.push((role, text));
        self.requests += usize::from(role == Role::User);
    }

    /// What somebody says inside of the user's turn, behind the frame.
    pub(crate) fn push_behind_frame(&mut self, text: String, ids: Vec<u32>) {
        self.push_message(Role::User, text, &Encoded::single(SegmentKind::User, ids));
        self.behind_frame += 1;
    }
}

/// A reply or an answer that comes in pieces, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Saying {
    pub(crate) token_ids: Vec<u32>,
    pub(crate) silent: bool,
    /// Whether it was cut because it repeats itself.
    pub(crate) repeats: bool,
    pub(crate) not_talk_probability: Option<f32>,
    /// For an answer on a fork, the number of tokens of its question.
    pub(crate) question: usize,
}

impl Saying {
    /// Takes a piece. Returns whether it was the last one.
    pub(crate) fn take(&mut self, said: Said) -> bool {
        let Said { token_ids, is_finished, silent, not_talk_probability } = said;
        self.token_ids.extend(token_ids);
        self.silent |= silent;
        self.not_talk_probability = self.not_talk_probability.or(not_talk_probability);
        is_finished
    }
}

/// A summary that is being written before the overflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EarlyAnswer {
    pub(crate) request: SummaryRequest,
    /// The summary covers the slots before this one.
    pub(crate) covers: usize,
    /// The number of tokens of the question.
    pub(crate) question: usize,
    pub(crate) token_ids: Vec<u32>,
    pub(crate) finished: bool,
    pub(crate) ms: f64,
    /// The time at which its last piece was asked for.
    #[serde(skip)]
    pub(crate) asked: Duration,
}

impl EarlyAnswer {
    pub(crate) fn left(&self) -> usize {
        match self.finished {
            true => 0,
            false => self.request.max_new_tokens.saturating_sub(self.token_ids.len()),
        }
    }
}

/// An overflow of the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overflow {
    pub(crate) trigger: OverflowTrigger,
    /// The number of tokens about to come in.
    pub(crate) incoming: usize,
    /// The number of these tokens that were generated and are not in the cache yet.
    pub(crate) pending: usize,
    pub(crate) began: Duration,
}

/// A plan whose summaries are being written.
pub(crate) struct Summarising {
    pub(crate) overflow: Overflow,
    pub(crate) plan: EvictionPlan,
    /// The texts of the plan so far.
    pub(crate) texts: Vec<(SegmentKind, Vec<u32>)>,
    /// The index of the piece that is being made.
    pub(crate) piece: usize,
    pub(crate) asked: Saying,
    pub(crate) since: Duration,
}

/// A plan that is being carried out.
pub(crate) struct Evicting {
    pub(crate) overflow: Overflow,
    pub(crate) positions: PositionPolicy,
    pub(crate) kept: Vec<[usize; 2]>,
    pub(crate) tokens_before: usize,
    pub(crate) initial_tokens: Option<usize>,
    pub(crate) put_back: Vec<PutBack>,
}

impl Summarising {
    /// Whether the piece that is being made is the first one.
    pub(crate) fn is_first(&self) -> bool {
        let before = &self.plan.pieces()[..self.piece];
        before.iter().all(|piece| matches!(piece, Piece::PendingReply))
    }
}
