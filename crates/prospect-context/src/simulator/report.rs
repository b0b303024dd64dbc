//! What a simulation reports.

use std::ops::Range;

use crate::budget::OverflowTrigger;
use crate::plan::PositionPolicy;
use crate::segment::SegmentKind;

/// Tokens of each kind.
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

    /// Tokens of one kind.
    pub fn of(&self, kind: SegmentKind) -> usize {
        self.0[kind as usize]
    }

    /// Tokens of all kinds.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    pub(super) fn add(&mut self, kind: SegmentKind, tokens: usize) {
        self.0[kind as usize] += tokens;
    }

    /// What is here and not in `other`.
    pub(super) fn without(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|kind| self.0[kind].saturating_sub(other.0[kind])))
    }
}

/// A text or summary that an eviction put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PutBack {
    /// What it became.
    pub kind: SegmentKind,
    /// Its length in tokens.
    pub tokens: usize,
}

/// The cache after one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepFigures {
    /// Stream time in seconds.
    pub time: f64,
    /// Tokens in the cache after the step, and after its eviction where that comes after the frame.
    pub cache_tokens: usize,
    /// Age of the oldest frame in it, in seconds.
    pub oldest_frame_age: Option<f64>,
}

/// One overflow and what survived it.
#[derive(Debug, Clone, PartialEq)]
pub struct Eviction {
    /// Number of the step, from 0.
    pub step: usize,
    /// Its stream time in seconds.
    pub time: f64,
    /// Why.
    pub trigger: OverflowTrigger,
    /// Tokens about to come in, the pending ones included.
    pub incoming: usize,
    /// Tokens generated but not in the cache yet.
    pub pending: usize,
    /// Tokens in the cache before.
    pub tokens_before: usize,
    /// Tokens in the cache afterwards; what is put back after a frame goes in with the next one and is not among them.
    pub tokens_after: usize,
    /// Slots kept, of the cache before.
    pub kept: Vec<Range<usize>>,
    /// Tokens kept.
    pub kept_tokens: TokensByKind,
    /// Tokens dropped.
    pub evicted_tokens: TokensByKind,
    /// What was put back, in order.
    pub put_back: Vec<PutBack>,
    /// Where the kept keys stand.
    pub positions: PositionPolicy,
    /// The price: tokens that go through the model once more. Texts and summaries put back; with
    /// [`PositionPolicy::Recompute`] everything kept as well.
    pub reprefilled: usize,
    /// The price of all evictions so far.
    pub reprefilled_total: usize,
    /// Tokens of a summary that were generated here while the frame waited; less where it was written early.
    pub summary_tokens_waited_for: usize,
    /// Age of the oldest frame left, in seconds.
    pub oldest_frame_age: Option<f64>,
    /// Facts that are gone now.
    pub lost_facts: Vec<u32>,
}

/// Where a fact is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FactPlace {
    /// A segment that tells it is in the cache whole, or about to go in.
    InCache,
    /// A summary tells it.
    InSummary,
    /// Nowhere.
    Lost {
        /// Since when, in seconds of the stream.
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
    /// Where it is at the end.
    pub place: FactPlace,
}

/// What became of a stream under one strategy. Shown as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    /// The strategy's name.
    pub strategy: String,
    /// The cache after every step.
    pub steps: Vec<StepFigures>,
    /// Every eviction, in order.
    pub evictions: Vec<Eviction>,
    /// Tokens that came in with the stream.
    pub came_in: TokensByKind,
    /// Of these, what is in the cache at the end.
    pub survived: TokensByKind,
    /// Tokens in the cache at the end, what was put back included.
    pub in_cache: TokensByKind,
    /// Tokens put back over the whole stream.
    pub put_back: TokensByKind,
    /// Most tokens that were in the cache.
    pub peak_cache_tokens: usize,
    /// Tokens of replies that were left out, for the budget had no room for them.
    pub reply_tokens_cut: usize,
    /// Every fact, sorted.
    pub facts: Vec<FactRecord>,
}

impl Simulation {
    /// Share of the tokens of one kind that came in and are in the cache at the end, from 0 to 1; `None` if none came in.
    pub fn survival(&self, kind: SegmentKind) -> Option<f64> {
        let came_in = self.came_in.of(kind);
        (came_in > 0).then(|| self.survived.of(kind) as f64 / came_in as f64)
    }

    /// The price: tokens that went through the model once more.
    pub fn reprefilled(&self) -> usize {
        self.evictions.last().map_or(0, |eviction| eviction.reprefilled_total)
    }

    /// Age of the oldest frame in the cache at the end, in seconds.
    pub fn oldest_frame_age(&self) -> Option<f64> {
        self.steps.last()?.oldest_frame_age
    }

    /// Most tokens of a summary that one frame waited for.
    pub fn longest_wait(&self) -> usize {
        self.evictions.iter().map(|eviction| eviction.summary_tokens_waited_for).max().unwrap_or(0)
    }

    /// Facts that the cache tells word for word.
    pub fn facts_in_cache(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts_where(|place| place == FactPlace::InCache)
    }

    /// Facts that only a summary tells.
    pub fn facts_in_summaries(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts_where(|place| place == FactPlace::InSummary)
    }

    /// Facts that nothing tells any more.
    pub fn facts_lost(&self) -> impl Iterator<Item = u32> + '_ {
        self.facts_where(|place| matches!(place, FactPlace::Lost { .. }))
    }

    fn facts_where(&self, is: impl Fn(FactPlace) -> bool) -> impl Iterator<Item = u32> {
        self.facts.iter().filter(move |record| is(record.place)).map(|record| record.fact)
    }
}
