//! Eviction plans: what is kept at an overflow and what is put back. A plan is checked on construction.

use std::ops::Range;

use crate::segment::{Role, SegmentKind};
use crate::view::CacheView;

/// The positions of kept keys after an eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum PositionPolicy {
    /// Kept keys keep their rotation. New tokens get position = cache length, as in `transformers` and
    /// ProAssist.
    Legacy,
    /// Kept keys keep their rotation. New tokens continue from the true position in the stream.
    Preserve,
    /// Kept keys are rotated to contiguous positions, as in [StreamingLLM](https://arxiv.org/abs/2309.17453).
    #[default]
    Rerotate,
    /// The kept tokens are computed again from their embeddings. The result is exactly that of a fresh
    /// prefill, at the price of one.
    Recompute,
}

impl PositionPolicy {
    /// Every policy, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Legacy, Self::Preserve, Self::Rerotate, Self::Recompute];

    /// The name in settings and traces.
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
    /// The prompt. It goes in as a user message on a fork of the cache.
    pub prompt: String,
    /// The most tokens of the answer.
    pub max_new_tokens: usize,
    /// The role of the message that the summary becomes.
    pub role: Role,
    /// The text before the summary in that message.
    pub prefix: String,
    /// The text after the summary in that message.
    pub suffix: String,
    /// Whether the current frame is shown again after the prompt, as ProAssist does.
    pub with_current_frame: bool,
    /// The answer, if it was written before the overflow. The model is then not asked again.
    pub written: Option<String>,
}

/// One piece of the cache after an eviction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// These slots of the old cache are kept.
    Keep(Range<usize>),
    /// A message that the chat template renders and that is prefilled.
    Text {
        /// The role of the message.
        role: Role,
        /// The text of the message.
        text: String,
    },
    /// A summary. Its text will be at this place.
    Summary(SummaryRequest),
    /// The tokens that were generated and are not in the cache yet. With this piece they still go in with the
    /// next chunk.
    PendingReply,
}

/// The reason why a plan is refused, or cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A kept range is empty.
    #[error("kept range {start}..{end} is empty: expected start < end")]
    EmptyRange {
        /// The first slot of the range.
        start: usize,
        /// The slot after the last one.
        end: usize,
    },
    /// A kept range ends behind the end of the cache.
    #[error("kept range {start}..{end} is out of bounds: expected an end of at most {cache_tokens}")]
    OutOfBounds {
        /// The first slot of the range.
        start: usize,
        /// The slot after the last one.
        end: usize,
        /// Length of the cache in tokens.
        cache_tokens: usize,
    },
    /// Kept ranges overlap or are out of order.
    #[error("kept range at {start} begins before {previous_end}: expected sorted, disjoint ranges")]
    Unsorted {
        /// The end of the range before.
        previous_end: usize,
        /// The start of the range.
        start: usize,
    },
    /// A frame is kept only in part.
    #[error(
        "the plan keeps {kept} of the {tokens} tokens of the frame at slot {start}: expected all or none"
    )]
    CutsFrame {
        /// The first slot of the frame.
        start: usize,
        /// The length of the frame in tokens.
        tokens: usize,
        /// The number of its tokens that the plan keeps.
        kept: usize,
    },
    /// A pinned segment is dropped, although something else is kept.
    #[error(
        "the plan drops tokens of the pinned {kind} segment at slot {start}: expected it kept, summed up, or everything dropped"
    )]
    DropsPinned {
        /// The kind of the segment.
        kind: SegmentKind,
        /// The first slot of the segment.
        start: usize,
    },
    /// The plan has more than one [`Piece::PendingReply`].
    #[error("the plan names the pending reply {times} times: expected at most once")]
    RepeatedPendingReply {
        /// The number of these pieces.
        times: usize,
    },
    /// The rest would overflow again at once.
    #[error("{needed} tokens would stay in the cache: expected at most {available} under this budget")]
    BudgetTooSmall {
        /// An upper bound of the tokens that the plan leaves.
        needed: usize,
        /// The tokens that may be left.
        available: usize,
    },
    /// The strategy needs the dialogue state, but the run has none.
    #[error(
        "strategy {strategy} needs a dialogue state: expected annotations with substeps, or a detection prompt"
    )]
    MissingDialogueState {
        /// The name of the strategy.
        strategy: String,
    },
}

/// What an overflow leaves in the cache: a list of pieces, in order, that breaks no law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvictionPlan {
    pieces: Vec<Piece>,
    positions: PositionPolicy,
}

impl EvictionPlan {
    /// Makes a plan and checks it against `view`. Ranges have to be in bounds, sorted and disjoint. Frames
    /// have to be whole. Pinned segments have to be kept or summed up, unless everything is dropped. The rest
    /// must not overflow again when the incoming chunk goes in.
    ///
    /// # Errors
    /// The first law that the plan breaks.
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

    /// Makes one of ProAssist's plans. These cut through frames, drop the system prompt and may stay above
    /// the trigger, so only the ranges are checked. Their position policy is `legacy`.
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

    /// The positions of kept keys after the eviction.
    pub fn positions(&self) -> PositionPolicy {
        self.positions
    }

    /// The kept slots, as ranges of the old cache.
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

    /// An upper bound of the tokens in the cache after the eviction, before the next chunk.
    pub fn tokens_after(&self, view: &CacheView<'_>) -> usize {
        Self::cost(&self.pieces, view)
    }

    /// An upper bound of the tokens of `pieces`, which need not make a lawful plan. A strategy can use it to
    /// see how much room is left.
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
