//! ProAssist's `summarize_and_drop`: the query shows the current frame again.

use crate::budget::Trigger;
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy, SummaryRequest};
use crate::strategies::summarize_and_drop::restart;
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Restarts from one system message of system prompt, summary and task knowledge; the pending token is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummarizeAndDrop {
    /// What the model is asked.
    pub prompt: String,
    /// Longest summary in tokens (ProAssist: 512).
    pub max_summary_len: usize,
}

impl ContextStrategy for SummarizeAndDrop {
    fn name(&self) -> &str {
        "summarize_and_drop"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let request = restart(view, self.prompt.clone(), self.max_summary_len);
        EvictionPlan::new_proassist(
            vec![Piece::Summary(SummaryRequest { with_current_frame: true, ..request })],
            view,
        )
    }

    fn trigger(&self) -> Trigger {
        Trigger::AfterFrame
    }

    fn positions(&self) -> PositionPolicy {
        PositionPolicy::Legacy
    }
}
