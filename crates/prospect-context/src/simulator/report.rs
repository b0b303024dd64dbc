//! The report of a simulation.

use std::ops::Range;

use crate::budget::OverflowTrigger;
use crate::plan::PositionPolicy;
use crate::segment::SegmentKind;

/// The number of tokens of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokensByKind([usize; 5]);

impl TokensByKind {
    /// Every kind, in the order in which tables show them.
    pub const KINDS: [SegmentKind; 5] = [
        SegmentKind::System,
        SegmentKind::User,
        SegmentKind::Frame,
        SegmentKind::Assistant,
        SegmentKind::Summary,
    ];

    /// The number of tokens of one kind.
    pub fn of(&self, kind: SegmentKind) -> usize {
        self.0[kind as usize]
    }

    /// The number of tokens of all kinds together.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, kind: SegmentKind, tokens: usize) {
        self.0[kind as usize] += tokens;
    }

    /// The tokens of `self` that are not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|kind| self.0[kind].saturating_sub(other.0[kind])))
    }
}

/// A text or summary that an eviction put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PutBack {
    /// The kind of the segment that it became.
    pub kind: SegmentKind,
    /// The length of the text in tokens.
    pub tokens: usize,
}

/// The cache after one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Stream time in seconds.
    pub time: f64,
    /// The number of tokens in the cache after the step, and after its eviction if that comes after the
    /// frame.
    pub cache_tokens: usize,
    /// The age of the oldest frame in the cache, in seconds.
    pub oldest_frame_age: Option<f64>,
}

/// One overflow and its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Eviction {
    /// The number of the step, counted from 0.
    pub step: usize,
    /// The stream time of the step in seconds.
    pub time: f64,
    /// The reason of the overflow.
    pub trigger: OverflowTrigger,
    /// The number of tokens about to come in, including the pending ones.
    pub incoming: usize,
    /// The number of tokens that were generated and are not in the cache yet.
    pub pending: usize,
    /// The number of tokens in the cache before the eviction.
    pub tokens_before: usize,
    /// The number of tokens in the cache after the eviction. Texts that an eviction after a frame puts back
    /// go in with the next frame and are not counted.
    pub tokens_after: usize,
    /// The kept slots, as ranges of the old cache.
    pub kept: Vec<Range<usize>>,
    /// The number of tokens that were kept.
    pub kept_tokens: TokensByKind,
    /// The number of tokens that were dropped.
    pub evicted_tokens: TokensByKind,
    /// The texts that were put back, in order.
    pub put_back: Vec<PutBack>,
    /// The positions of the kept keys.
    pub positions: PositionPolicy,
    /// The price: the number of tokens that go through the model again. These are the texts and summaries
    /// that are put back; with [`PositionPolicy::Recompute`] the kept tokens as well.
    pub reprefilled: usize,
    /// The price of all evictions so far, in tokens.
    pub reprefilled_total: usize,
    /// The tokens of a summary that were generated while the frame waited. They are fewer if the summary was
    /// written early.
    pub summary_tokens_waited_for: usize,
    /// The age of the oldest frame that is left, in seconds.
    pub oldest_frame_age: Option<f64>,
    /// The facts that this eviction lost.
    pub lost_facts: Vec<u32>,
}

/// The place of a fact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FactPlace {
    /// A segment that tells the fact is in the cache whole, or is about to go in.
    InCache,
    /// A summary tells the fact.
    InSummary,
    /// Nothing in the cache tells the fact any more.
    Lost {
        /// The stream time at which the fact was lost, in seconds.
        time: f64,
    },
}

/// A fact and what became of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FactRecord {
    /// The fact.
    pub fact: u32,
    /// Stream time in seconds at which it was first told.
    pub time: f64,
    /// The place of the fact at the end of the stream.
    pub place: FactPlace,
}

/// The result of one stream under one strategy. Its `Display` is a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The name of the strategy.
    pub strategy: String,
    /// The cache after every step.
    pub steps: Vec<StepFigures>,
    /// Every eviction, in order.
    pub evictions: Vec<Eviction>,
    /// The number of tokens that came in with the stream.
    pub came_in: TokensByKind,
    /// The number of these tokens that are in the cache at the end.
    pub survived: TokensByKind,
    /// The number of tokens in the cache at the end, including the texts that were put back.
    pub in_cache: TokensByKind,
    /// The number of tokens that were put back over the whole stream.
    pub put_back: TokensByKind,
    /// The largest number of tokens that were in the cache.
    pub peak_cache_tokens: usize,
    /// The number of tokens of replies that were left out because the budget had no room for them.
    pub reply_tokens_cut: usize,
    /// Every fact, sorted.
    pub facts: Vec<FactRecord>,
}

impl Simulation {
    /// The share of the tokens of one kind that came in and are still in the cache at the end, from 0 to 1;
    /// `None` if none came in.
    pub fn survival(&self, kind: SegmentKind) -> Option<f64> {
        let came_in = self.came_in.of(kind);
        (came_in > 0).then(|| self.survived.of(kind) as f64 / came_in as f64)
    }

    /// The price: the number of tokens that went through the model again.
    pub fn reprefilled(&self) -> usize {
        self.evictions.last().map_or(0, |eviction| eviction.reprefilled_total)
    }

    /// The age of the oldest frame in the cache at the end, in seconds.
    pub fn oldest_frame_age(&self) -> Option<f64> {
        self.steps.last()?.oldest_frame_age
    }

    /// The most tokens of a summary for which one frame waited.
    pub fn longest_wait(&self) -> usize {
        self.evictions.iter().map(|eviction| eviction.summary_tokens_waited_for).max().unwrap_or(0)
    }

    /// The facts that a segment in the cache tells.
    pub fn facts_in_cache(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts_where(|place| place == FactPlace::InCache)
    }

    /// The facts that only a summary tells.
    pub fn facts_in_summaries(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts_where(|place| place == FactPlace::InSummary)
    }

    /// The facts that nothing in the cache tells any more.
    pub fn facts_lost(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts_where(|place| matches!(place, FactPlace::Lost { .. }))
    }

    fn facts_where(&self, is: impl Fn(FactPlace) -> bool) -> impl Iterator<Item = u32> {
        self.facts.iter().filter(move |record| is(record.place)).map(|record| record.fact)
    }
}
