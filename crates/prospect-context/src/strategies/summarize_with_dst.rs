//! `summarize_with_dst`: a summary prompted from the dialogue state.

use super::summarize_and_drop::restart;
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, DialogueState, TokenCounter};

/// As [`super::SummarizeAndDrop`], but the prompt tells the model where the task stands: PROSPECT's dialogue state
/// tracking. Without a dialogue state it fails rather than turn into the other strategy unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummarizeWithDst {
    /// What the model is asked; `{steps_done}`, `{current_step}` and `{next_step}` are filled in.
    pub prompt: String,
    /// Longest summary in tokens.
    pub max_summary_len: usize,
    /// Most tokens that the filled-in steps add to the prompt; a longer state is refused.
    pub max_state_len: usize,
}

impl SummarizeWithDst {
    fn prompt(&self, state: &DialogueState) -> String {
        let done = if state.steps_done.is_empty() { "none".to_owned() } else { state.steps_done.join(", ") };
        let or_none = |step: &Option<String>| step.clone().unwrap_or_else(|| "none".to_owned());
        self.prompt
            .replace("{steps_done}", &done)
            .replace("{current_step}", &or_none(&state.current_step))
            .replace("{next_step}", &or_none(&state.next_step))
    }
}

impl ContextStrategy for SummarizeWithDst {
    fn name(&self) -> &str {
        "summarize_with_dst"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let missing = || PlanError::MissingDialogueState { strategy: self.name().to_owned() };
        let prompt = self.prompt(view.dialogue_state.ok_or_else(missing)?);
        let needed = view.token_counter.prompt_tokens(&prompt);
        let available = view.token_counter.prompt_tokens(&self.prompt).saturating_add(self.max_state_len);
        if needed > available {
            return Err(PlanError::BudgetTooSmall { needed, available });
        }
        let request = restart(view, prompt, self.max_summary_len);
        EvictionPlan::new(vec![Piece::Summary(request)], PositionPolicy::default(), view)
    }

    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        let prompt = counter.prompt_tokens(&self.prompt).saturating_add(self.max_state_len);
        prompt.saturating_add(self.max_summary_len)
    }
}
