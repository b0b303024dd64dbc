//! What a strategy sees when it is asked for a plan.

use crate::budget::Budget;
use crate::segment::{Role, Segment};

/// Progress of the task, where the run knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DialogueState {
    /// Steps that are done, in order.
    pub steps_done: Vec<String>,
    /// The step under way.
    pub current_step: Option<String>,
    /// The step after it.
    pub next_step: Option<String>,
}

/// Tells what a text costs in tokens, without the strategy knowing a tokenizer.
pub trait TokenCounter {
    /// Upper bound of the tokens that a message put back into the cache takes, template included.
    fn message_tokens(&self, role: Role, text: &str) -> usize;

    /// Upper bound of the tokens that a prompt takes which asks the model for an answer.
    fn prompt_tokens(&self, text: &str) -> usize {
        self.message_tokens(Role::User, text).saturating_add(self.message_tokens(Role::Assistant, ""))
    }
}

/// The texts that opened the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The system prompt; may be empty.
    pub system_prompt: &'a str,
    /// What the assistant knows of the task.
    pub task_knowledge: Option<&'a str>,
}

impl Opening<'_> {
    /// The text of the opening system message: the system prompt, then the task knowledge.
    pub fn text(&self) -> String {
        match self.task_knowledge {
            Some(knowledge) => format!("{} {knowledge}", self.system_prompt),
            None => self.system_prompt.to_owned(),
        }
    }
}

/// Measurements that a strategy asked for with [`crate::ContextStrategy::signals`]; `None` for those it did not ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Signals<'a> {
    /// How much the frames are alike.
    pub frame_similarity: Option<FrameSimilarity<'a>>,
}

impl<'a> Signals<'a> {
    /// These, with the similarity of frames.
    #[must_use]
    pub fn with_frame_similarity(self, frame_similarity: FrameSimilarity<'a>) -> Self {
        Self { frame_similarity: Some(frame_similarity) }
    }
}

/// Which measurements a strategy works from. What is not asked for is not computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalRequest {
    /// [`Signals::frame_similarity`].
    pub frame_similarity: bool,
}

impl SignalRequest {
    /// This, and the similarity of frames.
    #[must_use]
    pub fn with_frame_similarity(self) -> Self {
        Self { frame_similarity: true }
    }
}

/// How much the frames of a cache are alike, measured between neighbours of the stream when they came in.
///
/// [`Self::change_on_arrival`] is what was measured. Between any two frames it bounds more: the cosine of two embeddings is the cosine of the angle between them, and angles obey the triangle inequality: over frames
/// that have been dropped since, the angles add up to at most what lies between those that are left. So one number a segment
/// tells how alike any two frames are *at least*, also long after an eviction, and no embedding has to be kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameSimilarity<'a> {
    changes: &'a [f64],
    travelled: &'a [f64],
}

impl<'a> FrameSimilarity<'a> {
    /// From, per segment, the angle between its frame and the frame before it in the stream, and the sum of these angles from
    /// the beginning of the stream to it, both in radians ([`crate::Ledger::frame_similarity`] has them). A segment that is
    /// no frame has an angle of 0.
    ///
    /// # Panics
    /// If there are not as many of one as of the other.
    pub fn new(changes: &'a [f64], travelled: &'a [f64]) -> Self {
        assert_eq!(changes.len(), travelled.len(), "one angle and one sum a segment");
        Self { changes, travelled }
    }

    /// By how much the frame of a segment differed from the frame before it in the stream, as an angle in radians from 0
    /// (alike) to pi; pi where there was none before it, or where it was not measured.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn change_on_arrival(&self, segment: usize) -> f64 {
        self.changes[segment]
    }

    /// The most by which the frames of two segments differ, as an angle in radians from 0 (alike) to pi.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn change(&self, earlier: usize, later: usize) -> f64 {
        (self.travelled[later] - self.travelled[earlier]).clamp(0.0, std::f64::consts::PI)
    }

    /// The least cosine that the frames of two segments have.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn cosine(&self, earlier: usize, later: usize) -> f64 {
        self.change(earlier, later).cos()
    }
}

/// A summary that was written before the overflow ([`crate::ContextStrategy::early_summary`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlySummary<'a> {
    /// The model's words.
    pub text: &'a str,
    /// It sums up the slots before this one; what stands from here on came later.
    pub covers: usize,
}

/// The cache at an overflow, borrowed from the run.
#[derive(Clone, Copy)]
pub struct CacheView<'a> {
    /// Contiguous segments that cover the cache.
    pub segments: &'a [Segment],
    /// The budget that overflowed.
    pub budget: Budget,
    /// Tokens about to come in, the pending ones included.
    pub incoming: usize,
    /// Tokens generated but not in the cache yet.
    pub pending: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// The texts that opened the stream.
    pub opening: Opening<'a>,
    /// Cache length right after the first step that carried a user message (ProAssist's initial part).
    pub initial_tokens: Option<usize>,
    /// Progress of the task, where the run knows it.
    pub dialogue_state: Option<&'a DialogueState>,
    /// What a text costs.
    pub token_counter: &'a dyn TokenCounter,
    /// Measurements that the strategy asked for.
    pub signals: Signals<'a>,
    /// A summary that was written early, if the strategy asked for one.
    pub early_summary: Option<EarlySummary<'a>>,
}

impl CacheView<'_> {
    /// Length of the cache in tokens.
    pub fn cache_tokens(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.range.end)
    }
}
