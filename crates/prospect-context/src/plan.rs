//! Eviction plans: what survives an overflow and what is put back, checked on construction.

use std::ops::Range;

use crate::segment::{Role, SegmentKind};
use crate::view::CacheView;

/// Where kept keys stand after an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum PositionPolicy {
    /// Kept keys keep their rotation, new tokens take position = cache length: `transformers`, ProAssist.
    Legacy,
    /// Kept keys keep their rotation, new tokens go on from the true stream position.
    Preserve,
    /// Kept keys are rotated to contiguous positions: [StreamingLLM](https://arxiv.org/abs/2309.17453).
    #[default]
    Rerotate,
    /// The survivors' embeddings are run again: exactly a fresh prefill, at its price.
    Recompute,
}

impl PositionPolicy {
    /// Every policy, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Legacy, Self::Preserve, Self::Rerotate, Self::Recompute];

    /// The name in configs and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Preserve => "preserve",
            Self::Rerotate => "rerotate",
            Self::Recompute => "recompute",
        }
    }
}

/// Asks the model for a summary of the whole cache, before anything is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SummaryRequest {
    /// What the model is asked, as a user message on a fork of the cache.
    pub prompt: String,
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Role of the message that the summary becomes.
    pub role: Role,
    /// Stands before the summary in that message.
    pub prefix: String,
    /// Stands after it.
    pub suffix: String,
    /// Whether the current frame is shown once more behind the prompt (ProAssist does).
    pub with_current_frame: bool,
    /// The answer, where it was written early: then the model is not asked.
    pub written: Option<String>,
}

/// One piece of what the cache holds after an eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These slots come back.
    Keep(Range<usize>),
    /// A message, rendered by the chat template and prefilled.
    Text {
        /// Who says it.
        role: Role,
        /// What is said.
        text: String,
    },
    /// A summary, standing where its text will stand.
    Summary(SummaryRequest),
    /// Tokens that were generated but are not in the cache yet still go in with the next chunk.
    PendingReply,
}

/// Why a plan is refused, or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A range without a slot.
    #[error("kept range {start}..{end} is empty: expected start < end")]
    EmptyRange {
        /// First slot.
        start: usize,
        /// One past the last slot.
        end: usize,
    },
    /// A range that ends behind the cache.
    #[error("kept range {start}..{end} is out of bounds: expected an end of at most {cache_tokens}")]
    OutOfBounds {
        /// First slot.
        start: usize,
        /// One past the last slot.
        end: usize,
        /// Length of the cache.
        cache_tokens: usize,
    },
    /// Ranges that overlap or run backwards.
    #[error("kept range at {start} begins before {previous_end}: expected sorted, disjoint ranges")]
    Unsorted {
        /// End of the range before.
        previous_end: usize,
        /// Start of the range.
        start: usize,
    },
    /// A frame kept in part.
    #[error(
        "the plan keeps {kept} of the {tokens} tokens of the frame at slot {start}: expected all or none"
    )]
    CutsFrame {
        /// First slot of the frame.
        start: usize,
        /// Its length.
        tokens: usize,
        /// How much of it the plan keeps.
        kept: usize,
    },
    /// A pinned segment dropped while something else is kept.
    #[error(
        "the plan drops tokens of the pinned {kind} segment at slot {start}: expected it kept, summed up, or everything dropped"
    )]
    DropsPinned {
        /// What the segment is.
        kind: SegmentKind,
        /// Its first slot.
        start: usize,
    },
    /// The pending reply named twice.
    #[error("the plan names the pending reply {times} times: expected at most once")]
    RepeatedPendingReply {
        /// How often.
        times: usize,
    },
    /// What survives would overflow at once.
    #[error("{needed} tokens would stay in the cache: expected at most {available} under this budget")]
    BudgetTooSmall {
        /// Tokens that the plan leaves, at most.
        needed: usize,
        /// Tokens that may be left.
        available: usize,
    },
    /// A strategy that works from the dialogue state, in a run that has none.
    #[error(
        "strategy {strategy} needs a dialogue state: expected annotations with substeps, or a detection prompt"
    )]
    MissingDialogueState {
        /// The strategy's name.
        strategy: String,
    },
}

/// What survives an overflow, in order: a lawful list of pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictionPlan {
    pieces: Vec<Piece>,
    positions: PositionPolicy,
}

impl EvictionPlan {
    /// Checks every law against `view`: ranges in bounds, sorted and disjoint; frames whole; pinned segments kept, summed up,
    /// or everything dropped; what is left does not overflow again when the incoming chunk goes in.
    ///
    /// # Errors
    /// The law that is broken.
    pub fn new(
        pieces: Vec<Piece>,
        positions: PositionPolicy,
        view: &CacheView<'_>,
    ) -> Result<Self, PlanError> {
        let plan = Self { pieces, positions };
        plan.check_ranges(view)?;
        plan.check_segments(view)?;
        plan.check_budget(view)?;
        Ok(plan)
    }

    /// ProAssist's plans: they cut through frames, drop the system prompt and may stay above the trigger, so that only
    /// the ranges are checked. Positions are legacy.
    ///
    /// # Errors
    /// [`PlanError::EmptyRange`], [`PlanError::OutOfBounds`], [`PlanError::Unsorted`],
    /// [`PlanError::RepeatedPendingReply`].
    pub fn new_proassist(pieces: Vec<Piece>, view: &CacheView<'_>) -> Result<Self, PlanError> {
        let plan = Self { pieces, positions: PositionPolicy::Legacy };
        plan.check_ranges(view)?;
        Ok(plan)
    }

    /// The pieces, in the order in which they fill the emptied cache.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Where kept keys stand afterwards.
    pub fn positions(&self) -> PositionPolicy {
        self.positions
    }

    /// The kept slots of the cache before.
    pub fn kept(&self) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Keep(range) => Some(range.clone()),
            _ => None,
        })
    }

    /// Whether the pending tokens still go in with the next chunk.
    pub fn keeps_pending(&self) -> bool {
        self.pieces.contains(&Piece::PendingReply)
    }

    /// Upper bound of the tokens in the cache once the plan is carried out, before the next chunk.
    pub fn tokens_after(&self, view: &CacheView<'_>) -> usize {
        Self::cost(&self.pieces, view)
    }

    /// Upper bound of the tokens that pieces take, whether or not they make a lawful plan: to see what room is left.
    pub fn cost(pieces: &[Piece], view: &CacheView<'_>) -> usize {
        let cost = |piece: &Piece| match piece {
            Piece::Keep(range) => range.len(),
            Piece::Text { role, text } => view.token_counter.message_tokens(*role, text),
            Piece::Summary(request) => {
                let written = request.written.as_deref().unwrap_or_default();
                let text = format!("{}{written}{}", request.prefix, request.suffix);
                let message = view.token_counter.message_tokens(request.role, &text);
                let answer = if request.written.is_some() { 0 } else { request.max_new_tokens };
                message.saturating_add(answer)
            }
            Piece::PendingReply => 0,
        };
        pieces.iter().map(cost).fold(0, usize::saturating_add)
    }

    fn check_ranges(&self, view: &CacheView<'_>) -> Result<(), PlanError> {
        let cache_tokens = view.cache_tokens();
        let mut previous_end = 0;
        for Range { start, end } in self.kept() {
            if start >= end {
                return Err(PlanError::EmptyRange { start, end });
            }
            if start < previous_end {
                return Err(PlanError::Unsorted { previous_end, start });
            }
            if end > cache_tokens {
                return Err(PlanError::OutOfBounds { start, end, cache_tokens });
            }
            previous_end = end;
        }
        match self.pieces.iter().filter(|piece| **piece == Piece::PendingReply).count() {
            0 | 1 => Ok(()),
            times => Err(PlanError::RepeatedPendingReply { times }),
        }
    }

    fn check_segments(&self, view: &CacheView<'_>) -> Result<(), PlanError> {
        let mut kept = self.kept().peekable();
        if kept.peek().is_none() {
            return Ok(());
        }
        // A summary of the whole cache stands for what it replaces.
        let sums_up = self.pieces.iter().any(|piece| matches!(piece, Piece::Summary(_)));
        for segment in view.segments {
            while kept.next_if(|range| range.end <= segment.range.start).is_some() {}
            let tokens = segment.range.len();
            let kept_tokens = kept_within(kept.clone(), &segment.range);
            let start = segment.range.start;
            if kept_tokens == tokens {
                continue;
            }
            if segment.pinned && !sums_up {
                return Err(PlanError::DropsPinned { kind: segment.kind, start });
            }
            if segment.kind == SegmentKind::Frame && kept_tokens > 0 {
                return Err(PlanError::CutsFrame { start, tokens, kept: kept_tokens });
            }
        }
        Ok(())
    }

    fn check_budget(&self, view: &CacheView<'_>) -> Result<(), PlanError> {
        let needed = self.tokens_after(view);
        let incoming =
            if self.keeps_pending() { view.incoming } else { view.incoming.saturating_sub(view.pending) };
        match view.budget.room_before(incoming) {
            Some(available) if needed <= available => Ok(()),
            room => Err(PlanError::BudgetTooSmall { needed, available: room.unwrap_or(0) }),
        }
    }
}

/// Tokens of `ranges` (sorted, none ends before `within`) that lie in `within`.
fn kept_within(ranges: impl Iterator<Item = Range<usize>>, within: &Range<usize>) -> usize {
    ranges
        .take_while(|range| range.start < within.end)
        .map(|range| range.end.min(within.end) - range.start.max(within.start))
        .sum()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
