//! `hybrid`: a summary for what is long ago, the stream itself for what just happened.

use super::summarize_and_drop::restart;
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::{kept, recent_start};
use crate::view::{CacheView, TokenCounter};

/// System prompt, the model's own summary of the whole cache and the task knowledge in one message; then what the user said
/// before the first frame; then whole segments from the last `last_keep_len` tokens.
///
/// [`super::SummarizeAndDrop`] forgets the hand that is reaching for the cup, [`super::DropMiddle`] forgets all that lies
/// further back than its window; together they are ProAssist's summaries (<https://arxiv.org/abs/2506.05904>) over
/// StreamingLLM's window (<https://arxiv.org/abs/2309.17453>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hybrid {
    /// What the model is asked.
    pub prompt: String,
    /// Longest summary in tokens.
    pub max_summary_len: usize,
    /// Most tokens that are kept at the end; fewer are kept where the budget is smaller.
    pub last_keep_len: usize,
    /// Where the kept keys stand afterwards.
    pub positions: PositionPolicy,
}

impl Hybrid {
    /// What the catalogue says of it.
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

/// What the new summary's message stands for.
fn is_replaced(segment: &Segment) -> bool {
    segment.pinned
}
