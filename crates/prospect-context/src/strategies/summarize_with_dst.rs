//! `summarize_with_dst`: a summary whose prompt names the steps of the task.

use super::summarize_and_drop::restart;
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, DialogueState, TokenCounter};

/// Like [`super::SummarizeAndDrop`], but the prompt tells the model how far the task has come (PROSPECT's
/// dialogue state tracking). Without a dialogue state it returns an error, because it would otherwise
/// silently behave like the other strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummarizeWithDst {
    /// The prompt that asks the model for a summary. `{steps_done}`, `{current_step}` and `{next_step}` are
    /// filled in.
    pub prompt: String,
    /// The most tokens of a summary.
    pub max_summary_len: usize,
    /// The most tokens that the filled-in steps add to the prompt. The oldest steps are left out first. If
    /// the current and the next step alone are longer, the plan is refused.
    pub max_state_len: usize,
}

/// Stands for steps that were left out.
const ELLIPSIS: &str = "...";

impl SummarizeWithDst {
    /// The prompt with the whole current and next step, and the last `recent` of the steps that are done.
    fn prompt(&self, state: &DialogueState, recent: usize) -> String {
        let left_out = state.steps_done.len() - recent;
        let ellipsis = (left_out > 0).then_some(ELLIPSIS);
        let steps = ellipsis.into_iter().chain(state.steps_done[left_out..].iter().map(String::as_str));
        let done = steps.collect::<Vec<_>>().join(", ");
        let done = if done.is_empty() { "none".to_owned() } else { done };
        let or_none = |step: &Option<String>| step.clone().unwrap_or_else(|| "none".to_owned());
        self.prompt
            .replace("{steps_done}", &done)
            .replace("{current_step}", &or_none(&state.current_step))
            .replace("{next_step}", &or_none(&state.next_step))
    }
}

impl SummarizeWithDst {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "summarize_with_dst",
        purpose: "prompts the summary with the steps of the task",
        parameters: &[
            Parameter::prompt("summary_prompt", &["steps_done", "current_step", "next_step"])
                .as_role(ParameterRole::SummaryPrompt),
            Parameter::count("max_summary_len", 1).as_role(ParameterRole::SummaryLength),
            Parameter::count("max_state_len", 1).as_role(ParameterRole::SummaryPromptGrowth),
        ],
        make: |values| {
            Ok(Box::new(Self {
                prompt: values.text("summary_prompt")?,
                max_summary_len: values.count("max_summary_len")?,
                max_state_len: values.count("max_state_len")?,
            }))
        },
    };
}

impl ContextStrategy for SummarizeWithDst {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let missing = || PlanError::MissingDialogueState { strategy: self.name().to_owned() };
        let state = view.dialogue_state.ok_or_else(missing)?;
        let available = view.token_counter.prompt_tokens(&self.prompt).saturating_add(self.max_state_len);
        let tokens = |recent| view.token_counter.prompt_tokens(&self.prompt(state, recent));
        // An hour of steps is long: the search halves instead of counting them one by one.
        let (mut fits, mut too_many) = (0, state.steps_done.len() + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            if tokens(middle) <= available { fits = middle } else { too_many = middle }
        }
        let needed = tokens(fits);
        if needed > available {
            return Err(PlanError::BudgetTooSmall { needed, available });
        }
        let prompt = self.prompt(state, fits);
        let request = restart(view, prompt, self.max_summary_len);
        EvictionPlan::new(vec![Piece::Summary(request)], PositionPolicy::default(), view)
    }

    fn needs_dialogue_state(&self) -> bool {
        true
    }

    fn max_summary_tokens(&self, counter: &dyn TokenCounter) -> usize {
        let prompt = counter.prompt_tokens(&self.prompt).saturating_add(self.max_state_len);
        prompt.saturating_add(self.max_summary_len)
    }
}
