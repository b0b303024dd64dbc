//! Summaries that are written before the overflow, a few tokens at each silent frame.

use std::time::Instant;

use prospect_context::{ContextStrategy, SummaryRequest, Trigger};
use serde::{Deserialize, Serialize};

use super::eviction::Counter;
use super::options::ContextRule;
use super::talk::fit;
use super::{Session, milliseconds};
use crate::error::RunError;
use crate::stream_model::StreamModel;
use crate::trace::Event;

/// A summary in the making: where it is written, and what has been written.
pub(super) struct EarlyWriting<F> {
    fork: F,
    answer: EarlyAnswer,
}

impl<F> EarlyWriting<F> {
    pub(super) fn of(fork: F, answer: EarlyAnswer) -> Self {
        Self { fork, answer }
    }

    pub(super) fn parts(&self) -> (&F, &EarlyAnswer) {
        (&self.fork, &self.answer)
    }
}

/// As much of a summary as has been written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EarlyAnswer {
    request: SummaryRequest,
    /// It sums up the slots before this one.
    covers: usize,
    token_ids: Vec<u32>,
    finished: bool,
    ms: f64,
}

impl EarlyAnswer {
    pub(super) fn covers(&self) -> usize {
        self.covers
    }
}

impl<'a, M: StreamModel> Session<'a, M> {
    /// After a silent frame: begins a summary if the strategy wants one now, or goes on with the one that is begun.
    pub(super) fn write_early(&mut self, incoming: usize, time: f64) -> Result<(), RunError> {
        let rule: &'a ContextRule = self.rule;
        let ContextRule::Strategy(strategy) = rule else { return Ok(()) };
        if strategy.trigger() != Trigger::BeforeChunk {
            return Ok(());
        }
        if self.early.is_none() {
            self.begin_early(strategy.as_ref(), incoming, time)?;
        }
        if let Some(mut early) = self.early.take() {
            self.go_on(&mut early, strategy.early_tokens_per_frame().max(1))?;
            self.early = Some(early);
        }
        Ok(())
    }

    fn begin_early(
        &mut self,
        strategy: &dyn ContextStrategy,
        incoming: usize,
        time: f64,
    ) -> Result<(), RunError> {
        let state = self.talk.dialogue_state(self.annotations, time);
        let request =
            strategy.early_summary(&self.view(state.as_ref(), incoming, time, &Counter(&*self.model)));
        let Some(request) = request else { return Ok(()) };
        let started = Instant::now();
        let question = self.question(&request)?;
        let covers = self.ledger.tokens();
        let room = self.budget.max_seq_len.saturating_sub(covers + question.len());
        if room < request.max_new_tokens {
            // Too late for this one: the overflow is about to come.
            return Ok(());
        }
        let (fork, token_ids) = (self.model.fork(&question)?, Vec::new());
        let ms = milliseconds(started);
        let answer = EarlyAnswer { request, covers, token_ids, finished: false, ms };
        self.early = Some(EarlyWriting { fork, answer });
        Ok(())
    }

    fn go_on(&mut self, early: &mut EarlyWriting<M::Fork>, most: usize) -> Result<(), RunError> {
        let EarlyWriting { fork, answer } = early;
        let left = answer.request.max_new_tokens.saturating_sub(answer.token_ids.len());
        if answer.finished || left == 0 {
            return Ok(());
        }
        let started = Instant::now();
        let written = self.model.continue_fork(fork, left.min(most))?;
        self.statistics.cache(self.model.fork_tokens(fork));
        answer.finished = written.last().is_none_or(|&token| self.model.ends_reply(token));
        answer.token_ids.extend(written);
        answer.ms += milliseconds(started);
        Ok(())
    }

    /// At the overflow: what was written early, finished if it is not, and the slot before which it sums up. `None` if
    /// nothing was begun, or the model had nothing to say: then it is asked again, with the whole cache before it.
    pub(super) fn finish_early(&mut self, time: f64) -> Result<Option<(String, usize)>, RunError> {
        let Some(mut early) = self.early.take() else { return Ok(None) };
        while !early.answer.finished && early.answer.token_ids.len() < early.answer.request.max_new_tokens {
            self.go_on(&mut early, usize::MAX)?;
        }
        let EarlyAnswer { request, covers, token_ids, ms, .. } = early.answer;
        let text = fit(&*self.model, &self.model.clean_reply(&token_ids)?, request.max_new_tokens)?;
        if text.is_empty() {
            return Ok(None);
        }
        let (prompt, covered) = (request.prompt, Some(covers));
        self.record_eviction(Event::Summary {
            time,
            prompt,
            text: text.clone(),
            token_ids,
            covers: covered,
            ms,
        })?;
        Ok(Some((text, covers)))
    }
}
