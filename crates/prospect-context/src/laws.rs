//! A check of the laws of eviction, for the tests of your own strategy.
//!
//! ```
//! use prospect_context::laws;
//! use prospect_context::strategies::DropAll;
//!
//! let lawful = laws::check_strategy(&DropAll, 1_000)?;
//! assert!(lawful > 100, "{lawful} of 1,000 streams had a plan");
//! # Ok::<(), laws::Counterexample>(())
//! ```

use std::ops::Range;

use crate::budget::{Budget, Trigger};
use crate::ledger::Ledger;
use crate::plan::{EvictionPlan, Piece};
use crate::random::Random;
use crate::segment::{Role, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, DialogueState, EarlySummary, Opening, Signals, TokenCounter};

/// A law that a plan can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokenLaw {
    /// A kept range is empty, out of bounds or out of order.
    #[error(
        "kept range {start}..{end} is empty, ends behind the {cache_tokens} tokens of the cache or is out of order"
    )]
    Ranges {
        /// The first slot of the range.
        start: usize,
        /// The slot after the last one.
        end: usize,
        /// Length of the cache in tokens.
        cache_tokens: usize,
    },
    /// A frame is kept only in part.
    #[error("the frame at slot {start} is cut")]
    CutFrame {
        /// The first slot of the segment.
        start: usize,
    },
    /// A pinned segment is dropped, although something else is kept and no summary replaces it.
    #[error("the pinned segment at slot {start} is dropped")]
    DroppedPinned {
        /// The first slot of the segment.
        start: usize,
    },
    /// The rest overflows again when the chunk comes in.
    #[error("{tokens_after} tokens are left, which overflow again")]
    OverflowsAgain {
        /// An upper bound of the tokens that are left.
        tokens_after: usize,
    },
    /// The position policy of the plan is not the one of [`ContextStrategy::positions`], although something
    /// is kept.
    #[error("the plan keeps slots under positions {plan}, the strategy's positions are {strategy}")]
    Positions {
        /// The policy of the plan.
        plan: &'static str,
        /// The policy of the strategy.
        strategy: &'static str,
    },
    /// The plan asks for a summary, but the strategy reserves no room for it.
    #[error("a summary is asked for, but max_summary_tokens is 0")]
    NoSummaryRoom,
    /// Two equal views gave different plans.
    #[error("equal views gave different plans")]
    Undetermined,
}

/// A stream on which a strategy broke a law.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("strategy {strategy}, stream {stream}: {law}")]
pub struct Counterexample {
    /// The strategy's name.
    pub strategy: String,
    /// The number of the stream, counted from 0. It is the same in every run.
    pub stream: usize,
    /// The law that the strategy broke.
    pub law: BrokenLaw,
}

/// Checks a plan against all laws. The plan may come from any strategy.
///
/// # Errors
/// The first law that the plan breaks.
pub fn check_plan(plan: &EvictionPlan, view: &CacheView<'_>) -> Result<(), BrokenLaw> {
    check_ranges(plan, view)?;
    let nothing_kept = plan.kept().next().is_none();
    let sums_up = plan.pieces().iter().any(|piece| matches!(piece, Piece::Summary(_)));
    for segment in view.segments {
        let (start, kept) = (segment.range.start, kept_of(plan, &segment.range));
        if segment.kind == SegmentKind::Frame && kept != 0 && kept != segment.range.len() {
            return Err(BrokenLaw::CutFrame { start });
        }
        if segment.pinned && kept != segment.range.len() && !nothing_kept && !sums_up {
            return Err(BrokenLaw::DroppedPinned { start });
        }
    }
    let incoming =
        if plan.keeps_pending() { view.incoming } else { view.incoming.saturating_sub(view.pending) };
    let tokens_after = plan.tokens_after(view);
    match view.budget.overflows(tokens_after, incoming) {
        None => Ok(()),
        Some(_) => Err(BrokenLaw::OverflowsAgain { tokens_after }),
    }
}

/// Asks a strategy for a plan on each of `streams` random streams, and checks every plan. Some streams are
/// hostile: segments larger than the budget, budgets of one token, replies as long as the budget. Returns the
/// number of plans that the strategy made; on the other streams it returned an error. A strategy that evicts
/// after a frame ([`Trigger::AfterFrame`]) may cut frames and may stay above the trigger, so only the ranges
/// of its plans are checked.
///
/// # Errors
/// The first stream on which the strategy breaks a law.
pub fn check_strategy(strategy: &dyn ContextStrategy, streams: usize) -> Result<usize, Counterexample> {
    let mut lawful = 0;
    for stream in 0..streams {
        let hostile = HostileStream::new(stream as u64);
        let broken = hostile.with_view(|view| {
            let (plan, early) = (strategy.plan(view), strategy.early_summary(view));
            if plan != strategy.plan(view) || early != strategy.early_summary(view) {
                return Err(BrokenLaw::Undetermined);
            }
            let summarizes =
                |plan: &EvictionPlan| plan.pieces().iter().any(|piece| matches!(piece, Piece::Summary(_)));
            let asks = early.is_some() || plan.as_ref().is_ok_and(summarizes);
            let before_chunk = strategy.trigger() == Trigger::BeforeChunk;
            if asks && before_chunk && strategy.max_summary_tokens(view.token_counter) == 0 {
                return Err(BrokenLaw::NoSummaryRoom);
            }
            let Ok(plan) = plan else { return Ok(()) };
            lawful += 1;
            let (of_plan, of_strategy) = (plan.positions(), strategy.positions());
            if of_plan != of_strategy && plan.kept().next().is_some() {
                let (plan, strategy) = (of_plan.as_str(), of_strategy.as_str());
                return Err(BrokenLaw::Positions { plan, strategy });
            }
            match strategy.trigger() {
                Trigger::BeforeChunk => check_plan(&plan, view),
                Trigger::AfterFrame => check_ranges(&plan, view),
            }
        });
        broken.map_err(|law| Counterexample { strategy: strategy.name().to_owned(), stream, law })?;
    }
    Ok(lawful)
}

fn check_ranges(plan: &EvictionPlan, view: &CacheView<'_>) -> Result<(), BrokenLaw> {
    let cache_tokens = view.cache_tokens();
    let mut before = 0;
    for Range { start, end } in plan.kept() {
        if start >= end || start < before || end > cache_tokens {
            return Err(BrokenLaw::Ranges { start, end, cache_tokens });
        }
        before = end;
    }
    Ok(())
}

/// The number of tokens of a segment that the plan keeps.
fn kept_of(plan: &EvictionPlan, segment: &Range<usize>) -> usize {
    plan.kept().map(|range| range.end.min(segment.end).saturating_sub(range.start.max(segment.start))).sum()
}

/// A random stream at the moment of its overflow.
struct HostileStream {
    ledger: Ledger,
    budget: Budget,
    incoming: usize,
    pending: usize,
    initial_tokens: Option<usize>,
    state: Option<DialogueState>,
    early: Option<(String, usize)>,
    measured: bool,
}

impl HostileStream {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut ledger = Ledger::new();
        let segments = random.below(80);
        for index in 0..segments {
            let tokens = tokens(&mut random);
            let (time, pinned) = (index as f64 / 2.0, random.chance(0.1));
            match random.below(11) {
                0 => ledger.append(SegmentKind::System, tokens, time, pinned),
                1 => ledger.append(SegmentKind::User, tokens, time, pinned),
                2 | 3 => ledger.append(SegmentKind::Assistant, tokens, time, pinned),
                4 => ledger.append(SegmentKind::Summary, tokens, time, pinned),
                _ => ledger.append_frame(tokens, time, pinned, Some(random.unit() * 2.0 - 1.0)),
            }
        }
        let incoming = tokens(&mut random);
        let steps = random.below(4);
        let step = |_| "pour it".to_owned();
        let done = random.chance(0.5).then(|| DialogueState {
            steps_done: (0..steps).map(step).collect(),
            ..DialogueState::default()
        });
        let covers = random.below(ledger.tokens() + 1);
        let summary = "x".repeat(random.below(60));
        Self {
            budget: budget(&mut random),
            pending: random.below(3).min(incoming),
            initial_tokens: random.chance(0.5).then(|| random.below(1_000)),
            early: random.chance(0.3).then_some((summary, covers)),
            measured: random.chance(0.7),
            ledger,
            incoming,
            state: done,
        }
    }

    fn with_view<T>(&self, look: impl FnOnce(&CacheView<'_>) -> T) -> T {
        let similarity = self.ledger.frame_similarity();
        let signals = Signals::default();
        look(&CacheView {
            segments: self.ledger.segments(),
            budget: self.budget,
            incoming: self.incoming,
            pending: self.pending,
            time: self.ledger.segments().len() as f64 / 2.0,
            opening: Opening { system_prompt: "Help.", task_knowledge: Some("Cubes go first.") },
            initial_tokens: self.initial_tokens,
            dialogue_state: self.state.as_ref(),
            token_counter: &OneTokenPerByte,
            signals: if self.measured { signals.with_frame_similarity(similarity) } else { signals },
            early_summary: self.early.as_ref().map(|(text, covers)| EarlySummary { text, covers: *covers }),
        })
    }
}

/// A random number of tokens: usually a few, sometimes none or very many.
fn tokens(random: &mut Random) -> usize {
    match random.below(10) {
        0 => 0,
        1 => 40 + random.below(5_000),
        _ => 1 + random.below(40),
    }
}

fn budget(random: &mut Random) -> Budget {
    let max_seq_len = match random.below(6) {
        0 => random.below(3),
        1 => 100_000,
        _ => 100 + random.below(1_900),
    };
    let max_reply_tokens = match random.below(6) {
        0 => max_seq_len,
        1 => 1_000 + random.below(4_000),
        _ => random.below(60),
    };
    Budget {
        max_seq_len,
        reserved_seq_len: random.below(200),
        max_reply_tokens,
        max_summary_tokens: random.below(100),
    }
}

struct OneTokenPerByte;

impl TokenCounter for OneTokenPerByte {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len() + 4
    }
}
