//! Summaries that are written before the overflow.

use super::simulate::{Early, Simulator};
use super::stand_in;
use crate::plan::SummaryRequest;
use crate::view::TokenCounter;

impl Simulator<'_> {
    /// The length in tokens of the summary that a request gets.
    pub(super) fn summary_tokens(&self, request: &SummaryRequest) -> usize {
        self.options.summary_tokens.min(request.max_new_tokens)
    }

    /// Works on the early summary after a silent frame. A frame like this one will bring `incoming` tokens.
    /// Writes a few more tokens of the summary, or asks the strategy whether to begin one.
    pub(super) fn go_on_with_early_summary(&mut self, incoming: usize, time: f64) {
        if self.early.is_none() {
            self.early = self.begin_early_summary(incoming, time);
        }
        if let Some(early) = &mut self.early {
            let more = self.strategy.early_tokens_per_frame().max(1);
            early.written = early.tokens.min(early.written.saturating_add(more));
        }
    }

    fn begin_early_summary(&self, incoming: usize, time: f64) -> Option<Early> {
        let request = self.strategy.early_summary(&self.view(incoming, time))?;
        let covers = self.account.tokens();
        let question = self.counter.prompt_tokens(&request.prompt);
        let most = self.options.budget.max_summary_tokens.saturating_sub(request.max_new_tokens);
        if !self.account.has_room_for_summary(question.min(most), request.max_new_tokens) {
            // Too late for this one: the overflow is about to come.
            return None;
        }
        let tokens = self.summary_tokens(&request);
        let (text, facts) = (stand_in::summary(tokens), self.visible_facts());
        Some(Early { text, covers, facts, tokens, written: 0 })
    }
}
