//! `summarize_and_drop`: the model writes a summary, and everything else is dropped.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy, SummaryRequest};
use crate::segment::Role;
use crate::strategy::ContextStrategy;
use crate::survivors::{kept, recent_start};
use crate::view::{CacheView, EarlySummary, TokenCounter};

/// Asks the model for a summary of the whole cache and starts again from system prompt, summary and task knowledge.
///
/// This is ProAssist's iterative progress summarisation (<https://arxiv.org/abs/2506.05904>).
///
/// With `summarize_at`, the summary is written while the stream goes on, a few tokens at each silent frame.
/// It is ready when the overflow comes, so no frame waits for a whole summary. The segments that came in
/// since the summary was begun are kept behind it, because it does not cover them.
#[derive(Debug, Clone, PartialEq)]
pub struct SummarizeAndDrop {
    /// The prompt that asks the model for a summary.
    pub prompt: String,
    /// The most tokens of a summary.
    pub max_summary_len: usize,
    /// How full the cache is when the summary is begun, from 0 (empty) to 1 (about to overflow). With `None`
    /// the summary is written at the overflow.
    pub summarize_at: Option<f64>,
    /// The number of tokens of an early summary that are generated at each silent frame, at least 1.
    pub early_tokens_per_frame: usize,
    /// The positions of the keys that are kept behind an early summary.
    pub positions: PositionPolicy,
}

impl SummarizeAndDrop {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "summarize_and_drop",
        purpose: "has the model write down what matters and starts again from that",
        parameters: &[
            Parameter::text("summary_prompt").as_role(ParameterRole::SummaryPrompt),
            Parameter::count("max_summary_len", 1).as_role(ParameterRole::SummaryLength),
            Parameter::share("summarize_at").optional(),
            Parameter::count("early_tokens_per_frame", 1),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                prompt: values.text("summary_prompt")?,
                max_summary_len: values.count("max_summary_len")?,
                summarize_at: values.optional_share("summarize_at")?,
                early_tokens_per_frame: values.count("early_tokens_per_frame")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for SummarizeAndDrop {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let request = restart(view, self.prompt.clone(), self.max_summary_len);
        let pieces = match view.early_summary {
            None => vec![Piece::Summary(request)],
            Some(early) => written_early(view, request, early),
        };
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }

    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        counter.prompt_tokens(&self.prompt).saturating_add(self.max_summary_len)
    }

    fn early_summary(&self, view: &CacheView<'_>) -> Option<SummaryRequest> {
        let due =
            self.summarize_at.is_some_and(|at| view.budget.fill(view.cache_tokens(), view.incoming) >= at);
        due.then(|| restart(view, self.prompt.clone(), self.max_summary_len))
    }

    fn early_tokens_per_frame(&self) -> usize {
        self.early_tokens_per_frame
    }
}

/// The pieces of a plan with an early summary: the summary, and the whole segments that came in since it was
/// begun. If the budget has no room for all of them, the newest are kept.
fn written_early(view: &CacheView<'_>, request: SummaryRequest, early: EarlySummary<'_>) -> Vec<Piece> {
    let mut pieces = vec![Piece::Summary(SummaryRequest { written: Some(early.text.to_owned()), ..request })];
    let taken = EvictionPlan::cost(&pieces, view);
    let free = view.budget.room_before(view.incoming).unwrap_or(0).saturating_sub(taken);
    let first = view.segments.partition_point(|segment| segment.range.start < early.covers);
    let first = recent_start(view.segments, first, usize::MAX, free, |_| false);
    pieces.extend(kept(view, |index, _| index >= first));
    pieces.push(Piece::PendingReply);
    pieces
}

/// The request whose answer becomes the one system message of the restarted stream.
pub(super) fn restart(view: &CacheView<'_>, prompt: String, max_new_tokens: usize) -> SummaryRequest {
    let system = view.opening.system_prompt;
    SummaryRequest {
        prompt,
        max_new_tokens,
        role: Role::System,
        prefix: if system.is_empty() { String::new() } else { format!("{system} ") },
        suffix: view.opening.task_knowledge.map(|knowledge| format!(" {knowledge}")).unwrap_or_default(),
        with_current_frame: false,
        written: None,
    }
}
