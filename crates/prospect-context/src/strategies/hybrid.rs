//! `hybrid`: a summary of the older part of the stream, followed by its most recent segments.

use super::summarize_and_drop::restart;
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::{kept, recent_start};
use crate::view::{CacheView, TokenCounter};

/// The cache after an eviction begins with one message: system prompt, the model's own summary of the whole
/// cache, and task knowledge. Then come the user messages before the first frame, and whole segments from the
/// last `last_keep_len` tokens.
///
/// [`super::SummarizeAndDrop`] loses the action that is going on. [`super::DropMiddle`] loses everything
/// before its window. This strategy joins ProAssist's summaries (<https://arxiv.org/abs/2506.05904>) with
/// StreamingLLM's window (<https://arxiv.org/abs/2309.17453>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hybrid {
    /// The prompt that asks the model for a summary.
    pub prompt: String,
    /// The most tokens of a summary.
    pub max_summary_len: usize,
    /// The most tokens that are kept at the end. Fewer are kept if the budget is smaller.
    pub last_keep_len: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl Hybrid {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "hybrid",
        purpose: "puts the model's own summary back and keeps what just happened",
        parameters: &[
            Parameter::text("summary_prompt").as_role(ParameterRole::SummaryPrompt),
            Parameter::count("max_summary_len", 1).as_role(ParameterRole::SummaryLength),
            Parameter::count("last_keep_len", 1).as_role(ParameterRole::Kept),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                prompt: values.text("summary_prompt")?,
                max_summary_len: values.count("max_summary_len")?,
                last_keep_len: values.count("last_keep_len")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for Hybrid {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let summary = Piece::Summary(restart(view, self.prompt.clone(), self.max_summary_len));
        let opened = view.segments.first().map_or(0.0, |segment| segment.time);
        let is_request = |segment: &Segment| segment.kind == SegmentKind::User && segment.time <= opened;
        let is_opening = |segment: &&Segment| is_replaced(segment) || is_request(segment);
        let initial = view.segments.iter().take_while(is_opening).count();
        let stays_initial = |index: usize, segment: &Segment| index < initial && is_request(segment);
        let mut pieces = kept(view, stays_initial);
        pieces.insert(0, summary);
        let taken = EvictionPlan::cost(&pieces, view);
        let available = view.budget.room_before(view.incoming).unwrap_or(0);
        let free =
            available.checked_sub(taken).ok_or(PlanError::BudgetTooSmall { needed: taken, available })?;
        let recent = recent_start(view.segments, initial, self.last_keep_len, free, is_replaced);
        let stays = |index: usize, segment: &Segment| {
            stays_initial(index, segment) || (index >= recent && !is_replaced(segment))
        };
        pieces.truncate(1);
        pieces.extend(kept(view, stays));
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }

    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        counter.prompt_tokens(&self.prompt).saturating_add(self.max_summary_len)
    }
}

/// Whether the message of the new summary replaces a segment.
fn is_replaced(segment: &Segment) -> bool {
    segment.pinned
}
