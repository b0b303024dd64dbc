//! The stream that comes in, one step at a time.

use crate::segment::SegmentKind;

/// Consecutive tokens that come in together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSegment {
    /// The kind of the segment.
    pub kind: SegmentKind,
    /// The length in tokens. An empty segment leaves no entry in the cache.
    pub tokens: usize,
    /// Whether an eviction has to keep this segment or drop everything.
    pub pinned: bool,
    /// The fact that the segment tells: something worth remembering. Several segments may tell the same fact.
    pub fact: Option<u32>,
    /// Whether the tokens belong to the segment before them: the silence token of a frame, or the last token
    /// of a reply.
    pub continues: bool,
}

impl StreamSegment {
    /// A separate segment that tells no fact and may be dropped.
    pub fn new(kind: SegmentKind, tokens: usize) -> Self {
        Self { kind, tokens, pinned: false, fact: None, continues: false }
    }

    /// The last token of a generation. It belongs to the segment before it, and goes in with the next step.
    pub fn last_token(kind: SegmentKind) -> Self {
        Self { continues: true, ..Self::new(kind, 1) }
    }

    /// The same segment, pinned.
    #[must_use]
    pub fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }

    /// The same segment, with a fact.
    #[must_use]
    pub fn with_fact(self, fact: u32) -> Self {
        Self { fact: Some(fact), ..self }
    }
}

/// A frame, the segments that go in before it, and the reply. A silent frame without a message allocates
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamStep {
    /// Stream time in seconds.
    pub time: f64,
    /// The segments before the frame: the opening at the first step, and user messages.
    pub before: Vec<StreamSegment>,
    /// The frame.
    pub frame: StreamSegment,
    /// What comes in with the frame and stands behind it: what people say, where frames stand in the user's turn.
    pub behind: Vec<StreamSegment>,
    /// The cosine of the frame's embedding with that of the frame before it in the stream, if it is known.
    pub similarity: Option<f64>,
    /// The reply to the frame, including its prompt. It is empty if the assistant is silent, and also if the
    /// reply is a single token or was removed again.
    pub reply: Vec<StreamSegment>,
    /// Whether the assistant spoke though `reply` is empty.
    pub spoke: bool,
    /// What this step leaves for the next one: the silence token, the last token of the reply
    /// ([`StreamSegment::last_token`]), or a message that replaces the reply.
    pub waiting: Option<StreamSegment>,
}

impl StreamStep {
    /// A frame at which the assistant is silent.
    pub fn silent(time: f64, frame_tokens: usize) -> Self {
        Self {
            time,
            before: Vec::new(),
            frame: StreamSegment::new(SegmentKind::Frame, frame_tokens),
            behind: Vec::new(),
            similarity: None,
            reply: Vec::new(),
            spoke: false,
            waiting: Some(StreamSegment::last_token(SegmentKind::Frame)),
        }
    }

    /// Tokens of the frame and of what goes in with it.
    pub fn chunk_tokens(&self) -> usize {
        let beside = self.before.iter().chain(&self.behind).map(|segment| segment.tokens);
        beside.fold(self.frame.tokens, usize::saturating_add)
    }

    /// All segments of the step, in order.
    pub fn segments(&self) -> impl Iterator<Item = &StreamSegment> {
        self.before.iter().chain([&self.frame]).chain(&self.behind).chain(&self.reply).chain(&self.waiting)
    }
}
