//! Summaries that are written before the overflow, a few tokens at each silent frame.

use crate::error::SessionError;
use crate::event::Event;
use crate::language::fit;
use crate::rules::Question;
use crate::session::Session;
use crate::stage::{EarlyAnswer, Next, Overflow, Stage, Turn};
use crate::work::Work;

impl Session {
    /// Called after a silent frame. Begins a summary if the strategy wants one now, or continues the summary
    /// that was begun.
    pub(super) fn write_early(&mut self, turn: Box<Turn>) -> Next {
        let Some(tokens) = self.early_tokens() else { return self.close(turn) };
        if self.early.is_none() {
            self.begin_early(&turn)?;
        }
        self.write_more(turn, tokens)
    }

    /// Asks for at most `tokens` more tokens of the summary, in any number of pieces. Then the frame is over.
    fn write_more(&mut self, turn: Box<Turn>, tokens: usize) -> Next {
        match self.early.as_ref().map_or(0, EarlyAnswer::left).min(tokens) {
            0 => self.close(turn),
            max_new_tokens => self.continue_early(max_new_tokens, Stage::WritingEarly(turn, max_new_tokens)),
        }
    }

    /// Takes `written` tokens of the `allowed` tokens of this frame.
    pub(super) fn wrote_early(&mut self, turn: Box<Turn>, allowed: usize, written: &[u32]) -> Next {
        self.early_goes_on(written);
        self.write_more(turn, allowed.saturating_sub(written.len()))
    }

    /// The number of tokens that are written at a frame; `None` if no summary is written early.
    fn early_tokens(&self) -> Option<usize> {
        let strategy = self.rule.strategy().filter(|_| self.rules.writes_early())?;
        Some(strategy.early_tokens_per_frame().max(1))
    }

    fn begin_early(&mut self, turn: &Turn) -> Result<(), SessionError> {
        // The next silent frame brings as much as this one's picture, and what is pending.
        let incoming = self.account.incoming(turn.frame_tokens);
        let Some(strategy) = self.rule.strategy() else { return Ok(()) };
        let request = self.with_view(incoming, turn.input.time, None, |view| strategy.early_summary(view));
        let Some(request) = request else { return Ok(()) };
        let max_new_tokens = request.max_new_tokens;
        let Question { ids, .. } = self.question_behind_waiting(&request.prompt, max_new_tokens)?;
        let question = ids.len();
        let asking = question - self.account.waiting_tokens();
        if !self.account.has_room_for_summary(asking, max_new_tokens) {
            // Too late for this one: the overflow is about to come.
            return Ok(());
        }
        self.works.push_back(Work::Fork { ids });
        self.early = Some(EarlyAnswer {
            request,
            covers: self.account.tokens(),
            question,
            token_ids: Vec::new(),
            finished: false,
            ms: 0.0,
            asked: self.now,
        });
        Ok(())
    }

    fn continue_early(&mut self, max_new_tokens: usize, stage: Stage) -> Next {
        if let Some(early) = &mut self.early {
            early.asked = self.now;
        }
        self.wait_for(Work::ContinueFork { max_new_tokens }, stage)
    }

    /// Adds tokens to the summary.
    pub(super) fn early_goes_on(&mut self, written: &[u32]) {
        let Some(mut early) = self.early.take() else { return };
        early.ms += self.ms_since(early.asked);
        early.finished = written.last().is_none_or(|&token| self.language.ends_reply(token));
        early.token_ids.extend_from_slice(written);
        // Its last token is not in the fork.
        self.statistics.cache(early.covers + early.question + early.token_ids.len().saturating_sub(1));
        self.early = Some(early);
    }

    /// Called at the overflow. Finishes the early summary if it is not finished. Then the strategy makes its
    /// plan.
    pub(super) fn finish_early(&mut self, turn: Box<Turn>, overflow: Overflow) -> Next {
        match self.early.as_ref().map_or(0, EarlyAnswer::left) {
            0 => {
                let summary = self.take_early(turn.input.time)?;
                self.plan(turn, overflow, summary)
            }
            left => self.continue_early(left, Stage::FinishingEarly(turn, overflow)),
        }
    }

    /// The text of the early summary, and the slot before which it sums up. `None` if no summary was begun,
    /// or if the model wrote an empty one. The model is then asked again with the whole cache.
    fn take_early(&mut self, time: f64) -> Result<Option<(String, usize)>, SessionError> {
        let Some(early) = self.early.take() else { return Ok(None) };
        self.works.push_back(Work::DropFork);
        let EarlyAnswer { request, covers, token_ids, ms, .. } = early;
        let text = self.language.clean_reply(&token_ids)?;
        let text = fit(self.language.as_ref(), &text, request.max_new_tokens)?;
        if text.is_empty() {
            return Ok(None);
        }
        let (prompt, shown) = (request.prompt, text.clone());
        self.record(Event::Summary { time, prompt, text: shown, token_ids, covers: Some(covers), ms });
        Ok(Some((text, covers)))
    }
}
