//! What comes in, one step at a time.

use crate::segment::SegmentKind;

/// A run of tokens that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamSegment {
    /// What it is.
    pub kind: SegmentKind,
    /// Its length in tokens; an empty one leaves no segment in the cache.
    pub tokens: usize,
    /// Whether an eviction has to keep it or drop everything.
    pub pinned: bool,
    /// Something worth remembering that it tells. The same fact may be told by several segments.
    pub fact: Option<u32>,
    /// Whether the tokens belong to the segment before them: a frame's silence token, the last token of a reply.
    pub continues: bool,
}

impl StreamSegment {
    /// A segment of its own that tells nothing and may be dropped.
    pub fn new(kind: SegmentKind, tokens: usize) -> Self {
        Self { kind, tokens, pinned: false, fact: None, continues: false }
    }

    /// The one token that a generation leaves behind: it belongs to the segment before it, and goes in with the next step.
    pub fn last_token(kind: SegmentKind) -> Self {
        Self { continues: true, ..Self::new(kind, 1) }
    }

    /// This, pinned.
    #[must_use]
    pub fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }

    /// This, telling a fact.
    #[must_use]
    pub fn with_fact(self, fact: u32) -> Self {
        Self { fact: Some(fact), ..self }
    }
}

/// A frame, what goes in with it, and the reply that follows. A silent frame without a message allocates nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamStep {
    /// Stream time in seconds.
    pub time: f64,
    /// What goes in before the frame: the opening at the first step, user messages.
    pub before: Vec<StreamSegment>,
    /// The frame.
    pub frame: StreamSegment,
    /// What comes in with the frame and stands behind it: what people say, where frames stand in the user's turn.
    pub behind: Vec<StreamSegment>,
    /// Cosine of the frame's embedding with that of the frame before it in the stream, where it is known.
    pub similarity: Option<f64>,
    /// What the assistant says to it, the prompt for it included; empty where it is silent, and where what it said is one
    /// token or was taken out again.
    pub reply: Vec<StreamSegment>,
    /// Whether the assistant spoke though `reply` is empty.
    pub spoke: bool,
    /// What was said at this step and goes in with the next one: the silence token, or the last token of the reply
    /// ([`StreamSegment::last_token`]), or a message that stands for the reply.
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

    /// Every segment of it, in order.
    pub fn segments(&self) -> impl Iterator<Item = &StreamSegment> {
        self.before.iter().chain([&self.frame]).chain(&self.behind).chain(&self.reply).chain(&self.waiting)
    }
}
