//! The view that a strategy gets when it is asked for a plan.

use crate::budget::Budget;
use crate::segment::{Role, Segment};

/// The progress of the task, if the run knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DialogueState {
    /// The steps that are done, in order.
    pub steps_done: Vec<String>,
    /// The current step.
    pub current_step: Option<String>,
    /// The step after the current one.
    pub next_step: Option<String>,
}

/// Counts the tokens of a text, so that a strategy needs no tokenizer.
pub trait TokenCounter {
    /// An upper bound of the tokens of a message that is put back into the cache, including the template.
    fn message_tokens(&self, role: Role, text: &str) -> usize;

    /// An upper bound of the tokens of a prompt that asks the model for an answer.
    fn prompt_tokens(&self, text: &str) -> usize {
        self.message_tokens(Role::User, text).saturating_add(self.message_tokens(Role::Assistant, ""))
    }
}

/// The texts that opened the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The system prompt, which may be empty.
    pub system_prompt: &'a str,
    /// The assistant's knowledge about the task.
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

/// The measurements that a strategy asked for with [`crate::ContextStrategy::signals`]. A measurement that it
/// did not ask for is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Signals<'a> {
    /// The similarity of the frames.
    pub frame_similarity: Option<FrameSimilarity<'a>>,
}

impl<'a> Signals<'a> {
    /// The same measurements, and the similarity of frames.
    #[must_use]
    pub fn with_frame_similarity(self, frame_similarity: FrameSimilarity<'a>) -> Self {
        Self { frame_similarity: Some(frame_similarity) }
    }
}

/// The measurements that a strategy needs. Measurements that no strategy asks for are not computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignalRequest {
    /// Whether [`Signals::frame_similarity`] is needed.
    pub frame_similarity: bool,
}

impl SignalRequest {
    /// The same request, and the similarity of frames.
    #[must_use]
    pub fn with_frame_similarity(self) -> Self {
        Self { frame_similarity: true }
    }
}

/// The similarity of the frames of a cache, measured between neighbouring frames of the stream when they came
/// in.
///
/// [`Self::change_on_arrival`] is the measured value. A bound for any two frames follows from it. The cosine
/// of two embeddings is the cosine of the angle between them, and angles obey the triangle inequality.
/// Therefore the angle between two frames is at most the sum of the angles between all neighbouring frames
/// from one to the other, including frames that have been dropped since. One number per segment thus says how
/// alike any two frames are *at least*, even long after an eviction, and no embedding has to be kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameSimilarity<'a> {
    changes: &'a [f64],
    travelled: &'a [f64],
}

impl<'a> FrameSimilarity<'a> {
    /// Makes the similarity from two angles per segment, both in radians ([`crate::Ledger::frame_similarity`]
    /// has them). `changes` has the angle between a frame and the frame before it in the stream. `travelled`
    /// has the sum of these angles from the beginning of the stream to the frame. A segment that is not a
    /// frame has a change of 0.
    ///
    /// # Panics
    /// If the two slices have different lengths.
    pub fn new(changes: &'a [f64], travelled: &'a [f64]) -> Self {
        assert_eq!(changes.len(), travelled.len(), "one angle and one sum a segment");
        Self { changes, travelled }
    }

    /// The angle in radians between the frame of a segment and the frame before it in the stream, from 0
    /// (alike) to pi. It is pi if there was no frame before it, or if it was not measured.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn change_on_arrival(&self, segment: usize) -> f64 {
        self.changes[segment]
    }

    /// An upper bound of the angle in radians between the frames of two segments, from 0 (alike) to pi.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn change(&self, earlier: usize, later: usize) -> f64 {
        (self.travelled[later] - self.travelled[earlier]).clamp(0.0, std::f64::consts::PI)
    }

    /// A lower bound of the cosine of the frames of two segments.
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
    /// The text that the model wrote.
    pub text: &'a str,
    /// The summary covers the slots before this one. The later slots came in after it was begun.
    pub covers: usize,
}

/// The cache at an overflow, borrowed from the run.
#[derive(Clone, Copy)]
pub struct CacheView<'a> {
    /// The segments, which are contiguous and cover the cache.
    pub segments: &'a [Segment],
    /// The budget that overflowed.
    pub budget: Budget,
    /// The number of tokens about to come in, including the pending ones.
    pub incoming: usize,
    /// The number of tokens that were generated and are not in the cache yet.
    pub pending: usize,
    /// The stream time in seconds.
    pub time: f64,
    /// The texts that opened the stream.
    pub opening: Opening<'a>,
    /// The length of the cache right after the first step that carried a user message (ProAssist's initial
    /// part).
    pub initial_tokens: Option<usize>,
    /// The progress of the task, if the run knows it.
    pub dialogue_state: Option<&'a DialogueState>,
    /// Counts the tokens of a text.
    pub token_counter: &'a dyn TokenCounter,
    /// The measurements that the strategy asked for.
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
