//! The stages of a frame. Each file implements a part of the order that is specified on the crate's first
//! page.

mod chunk;
mod early;
mod eviction;
mod frame;
mod references;
mod reply;

use crate::error::SessionError;
use crate::session::Session;
use crate::stage::{Next, Stage};
use crate::work::{Done, Said, Work};

impl Session {
    /// Continues with the result of the work for which the session waits.
    pub(crate) fn advance(&mut self, done: Done) -> Next {
        if !self.works.is_empty() {
            return Err(self.out_of_turn(&done, "its works to be done in their order"));
        }
        match (std::mem::replace(&mut self.stage, Stage::Idle), done) {
            (Stage::FinishingEarly(turn, overflow), Done::Said(said)) => {
                self.early_goes_on(&said.token_ids);
                self.finish_early(turn, overflow)
            }
            (Stage::Summarising(turn, mut summarising), Done::Said(said)) => {
                match summarising.asked.take(said) {
                    true => self.summary_is_there(turn, summarising),
                    false => self.wait_for(Work::Decode, Stage::Summarising(turn, summarising)),
                }
            }
            (Stage::Evicting(turn, evicting), Done::Evicted(evicted)) => {
                self.evicted(turn, evicting, evicted)
            }
            (Stage::Encoding(turn), Done::Encoded { similarity }) => self.encoded(turn, similarity),
            (Stage::Deciding(turn, mut saying), Done::Said(said)) => {
                match self.hear(&turn, &mut saying, said)? {
                    true => self.decided(turn, saying),
                    false => self.wait_for(Work::Decode, Stage::Deciding(turn, saying)),
                }
            }
            (Stage::NamingStep(turn, mut saying), Done::Said(said)) => match saying.take(said) {
                true => self.step_is_named(turn, &saying),
                false => self.wait_for(Work::Decode, Stage::NamingStep(turn, saying)),
            },
            (Stage::Replying(turn, mut saying), Done::Said(said)) => {
                match self.hear(&turn, &mut saying, said)? {
                    true => self.replied(turn, saying),
                    false => self.wait_for(Work::Decode, Stage::Replying(turn, saying)),
                }
            }
            (Stage::WritingEarly(turn, allowed), Done::Said(Said { token_ids, .. })) => {
                self.wrote_early(turn, allowed, &token_ids)
            }
            (stage, done) => {
                self.stage = stage;
                Err(self.out_of_turn(&done, "the result of its last work"))
            }
        }
    }

    /// Queues `work` and waits for its result in `stage`.
    fn wait_for(&mut self, work: Work, stage: Stage) -> Next {
        self.works.push_back(work);
        self.stage = stage;
        Ok(None)
    }

    fn out_of_turn(&self, done: &Done, expected: &'static str) -> SessionError {
        let found = match done {
            Done::Encoded { .. } => "an encoded frame",
            Done::Said(_) => "generated tokens",
            Done::Evicted(_) => "an eviction",
        };
        SessionError::OutOfTurn { found, state: self.stage.name(), expected }
    }
}
