//! Where a session stands: what it waits for, and what it knows of the frame that it works on.

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
    /// The cache to be rebuilt.
    Evicting(Box<Turn>, Evicting),
    /// The frame's embeddings.
    Encoding(Box<Turn>),
    /// The decision after the frame, and the reply if there is one.
    Deciding(Box<Turn>, Saying),
    /// The name of the step.
    NamingStep(Box<Turn>, Saying),
    /// A reply that was asked for.
    Replying(Box<Turn>, Saying),
    /// A few tokens of a summary, so many at most.
    WritingEarly(Box<Turn>, usize),
}

impl Stage {
    /// What the session is about, for a message.
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

/// The frame is over, or else something is to be done.
pub(crate) type Next = Result<Option<FrameDone>, SessionError>;

/// The frame that is worked on.
pub(crate) struct Turn {
    pub(crate) input: FrameInput,
    pub(crate) began: Duration,
    /// What comes in with it, until it goes in.
    pub(crate) own: Chunk,
    pub(crate) frame_tokens: usize,
    pub(crate) carries_request: bool,
    /// What the trace shows once it is in.
    pub(crate) messages: Vec<(Role, String)>,
    /// Tokens that a reply may have.
    pub(crate) room: usize,
    pub(crate) encoding_reused: bool,
    pub(crate) similarity: Option<f64>,
    pub(crate) vision_ms: f64,
    /// When the stage began that is under way.
    pub(crate) since: Duration,
    pub(crate) entries: Vec<SegmentEntry>,
    pub(crate) not_talk_probability: Option<f32>,
    /// The reply's ids, where there is one.
    pub(crate) spoken: Option<Vec<u32>>,
    /// Whether the reply was cut because it repeats itself.
    pub(crate) repeats: bool,
    /// Cache length, and how much the trace shows, before the reply.
    pub(crate) before_reply: usize,
    pub(crate) shown: usize,
    /// The frame is over, but for what is done about its overflow.
    pub(crate) is_over: bool,
    pub(crate) reply: Option<Reply>,
}

/// A frame that can be told once the eviction behind it is done: that is part of its time.
pub(crate) struct Held {
    pub(crate) frame: Event,
    pub(crate) began: Duration,
    pub(crate) behind: Vec<Event>,
}

/// Token ids of one step, every one in a segment.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) ids: Vec<u32>,
    pub(crate) segments: Vec<Incoming>,
    /// Messages that the trace shows once the chunk is in.
    pub(crate) messages: Vec<(Role, String)>,
    /// User messages in it.
    pub(crate) requests: usize,
    /// Of these, such as were known beforehand.
    pub(crate) known_requests: usize,
    /// Of these, such as people said.
    pub(crate) said: usize,
    /// Whether the texts that open the stream are in it.
    pub(crate) carries_opening: bool,
    /// Tokens of its frame.
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

/// What has been said so far of something that comes in pieces.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Saying {
    pub(crate) token_ids: Vec<u32>,
    pub(crate) silent: bool,
    /// It was cut because it repeats itself.
    pub(crate) repeats: bool,
    pub(crate) not_talk_probability: Option<f32>,
    /// Of an answer on a fork: tokens that asked for it.
    pub(crate) question: usize,
}

impl Saying {
    /// Takes a piece; returns whether it was the last.
    pub(crate) fn take(&mut self, said: Said) -> bool {
        let Said { token_ids, is_finished, silent, not_talk_probability } = said;
        self.token_ids.extend(token_ids);
        self.silent |= silent;
        self.not_talk_probability = self.not_talk_probability.or(not_talk_probability);
        is_finished
    }
}

/// As much of a summary as has been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EarlyAnswer {
    pub(crate) request: SummaryRequest,
    /// It sums up the slots before this one.
    pub(crate) covers: usize,
    /// Tokens that asked for it.
    pub(crate) question: usize,
    pub(crate) token_ids: Vec<u32>,
    pub(crate) finished: bool,
    pub(crate) ms: f64,
    /// When its last piece was asked for.
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

/// A cache that has to be reduced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overflow {
    pub(crate) trigger: OverflowTrigger,
    /// Tokens about to come in.
    pub(crate) incoming: usize,
    /// Of these, such as are said and not in the cache yet.
    pub(crate) pending: usize,
    pub(crate) began: Duration,
}

/// A plan whose texts are being made.
pub(crate) struct Summarising {
    pub(crate) overflow: Overflow,
    pub(crate) plan: EvictionPlan,
    /// The texts of the plan so far.
    pub(crate) texts: Vec<(SegmentKind, Vec<u32>)>,
    /// The piece that is asked for.
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
    /// Whether nothing stands before the piece that is made now.
    pub(crate) fn is_first(&self) -> bool {
        let before = &self.plan.pieces()[..self.piece];
        before.iter().all(|piece| matches!(piece, Piece::PendingReply))
    }
}
