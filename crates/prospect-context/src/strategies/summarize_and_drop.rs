//! `summarize_and_drop`: the model writes down what matters, then forgets the rest.

use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy, SummaryRequest};
use crate::segment::Role;
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, TokenCounter};

/// Asks the model for a summary of the whole cache and starts again from system prompt, summary and task knowledge.
///
/// ProAssist's iterative progress summarisation (<https://arxiv.org/abs/2506.05904>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummarizeAndDrop {
    /// What the model is asked.
    pub prompt: String,
    /// Longest summary in tokens.
    pub max_summary_len: usize,
}

impl ContextStrategy for SummarizeAndDrop {
    fn name(&self) -> &str {
        "summarize_and_drop"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let request = restart(view, self.prompt.clone(), self.max_summary_len);
        EvictionPlan::new(vec![Piece::Summary(request)], PositionPolicy::default(), view)
    }

    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        counter.prompt_tokens(&self.prompt).saturating_add(self.max_summary_len)
    }
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
    }
}
