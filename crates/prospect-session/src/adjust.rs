//! Settings that change while a stream goes on: another strategy, another threshold.

use prospect_context::Budget;
use serde_json::{Map, Value};

use crate::error::SessionError;
use crate::event::Event;
use crate::language::Counter;
use crate::options::{OpeningTexts, OverflowRule};
use crate::session::Session;
use crate::unlawful_change::UnlawfulChange;
use crate::work::Work;

impl Session {
    /// Checks whether `rule` can replace the present rule at any moment of the stream.
    ///
    /// # Errors
    /// [`SessionError::UnlawfulChange`], [`SessionError::MissingDialogueState`], or the error of a text that
    /// cannot be encoded.
    pub fn check_rule(&self, rule: &OverflowRule) -> Result<(), SessionError> {
        let unlawful = |problem| SessionError::UnlawfulChange {
            from: self.rule.name().to_owned(),
            to: rule.name().to_owned(),
            problem,
        };
        let (Some(before), Some(after)) = (self.rule.strategy(), rule.strategy()) else {
            return Err(unlawful(UnlawfulChange::Baseline));
        };
        if before.positions() != after.positions() {
            let (from, to) = (before.positions(), after.positions());
            return Err(unlawful(UnlawfulChange::Positions { from, to }));
        }
        if before.trigger() != after.trigger() {
            return Err(unlawful(UnlawfulChange::Rules));
        }
        if after.needs_dialogue_state() && !self.talk.has_dialogue_state(&self.options.steps) {
            return Err(SessionError::MissingDialogueState { strategy: after.name().to_owned() });
        }
        let budget = self.budget_under(rule);
        let beside = self.account.pinned_tokens() + self.next_frame_tokens()?;
        match budget.room_before(beside) {
            Some(_) => Ok(()),
            None => Err(unlawful(UnlawfulChange::NoRoom { summary: budget.max_summary_tokens, beside })),
        }
    }

    /// Changes settings of the stream between two frames. `settings` has the changed keys with their new
    /// values, as the trace shows them. `rule` is the new rule, if the strategy changes, and `opening` are the
    /// new prompts, if they change ([`Session::set_opening`]). All changes are made, or none.
    ///
    /// If the former strategy had begun a summary, [`Session::next_work`] returns the work that drops it.
    ///
    /// # Errors
    /// The errors of [`Self::check_rule`], and [`SessionError::OutOfTurn`] while a frame is being processed.
    /// Nothing is changed then.
    pub fn adjust(
        &mut self,
        rule: Option<OverflowRule>,
        settings: Map<String, Value>,
        opening: Option<OpeningTexts>,
    ) -> Result<(), SessionError> {
        if !self.is_idle() {
            return Err(SessionError::OutOfTurn {
                found: "a change of settings",
                state: self.stage.name(),
                expected: "it to be done with the frame before",
            });
        }
        let before = self.account.budget();
        if let Some(rule) = &rule {
            self.check_rule(rule)?;
            self.account.set_budget(self.budget_under(rule));
        }
        if let Some(opening) = opening
            && let Err(error) = self.set_opening(opening)
        {
            self.account.set_budget(before);
            return Err(error);
        }
        if let Some(rule) = rule {
            self.rule = rule;
            if self.early.take().is_some() {
                self.works.push_back(Work::DropFork);
            }
        }
        let strategy = self.rule.name().to_owned();
        self.events.push(Event::SettingsChanged { settings, strategy });
        if self.account.budget() != before {
            self.events.push(Event::budget(&self.account.budget(), self.account.user_turn()));
        }
        Ok(())
    }

    /// The budget under `rule`.
    fn budget_under(&self, rule: &OverflowRule) -> Budget {
        let counter = Counter(self.language.as_ref());
        let max_summary_tokens = rule.strategy().map_or(0, |strategy| strategy.max_summary_tokens(&counter));
        Budget { max_summary_tokens, ..self.account.budget() }
    }
}
