//! The stages that a frame goes through: each file is a part of the order that the crate's page tells.

mod chunk;
mod early;
mod eviction;
mod frame;
mod references;
mod reply;

pub(crate) use early::EarlyAnswer;
pub(crate) use frame::Held;
pub(crate) use references::longest_reference;

use crate::error::SessionError;
use crate::session::{FrameDone, Session};
use crate::work::{Done, Said, Work};

use eviction::{Evicting, Overflow, Summarising};
use frame::Turn;
use reply::Saying;

/// What a session waits for.
pub(crate) enum Stage {
    /// A frame.
    Idle,
    /// The rest of a summary that was begun before the overflow.
    FinishingEarly(Box<Turn>, Overflow),
    /// A summary.
    Summarising(Box<Turn>, Summarising),
    /// The cache to be rebuilt.
    Evicting(Box<Turn>, Evicting),
    /// The frame's embeddings.
    Encoding(Box<Turn>),
    /// The decision after the frame, and the reply if there is one.
    Deciding(Box<Turn>, Saying),
    /// The name of the step.
    NamingStep(Box<Turn>, Saying),
    /// A reply that was asked for.
    Replying(Box<Turn>, Saying),
    /// A few tokens of a summary.
    WritingEarly(Box<Turn>),
}

impl Stage {
    /// What the session is about, for a message.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Idle => "waits for a frame",
            Self::FinishingEarly(..) => "finishes a summary",
            Self::Summarising(..) => "asks for a summary",
            Self::Evicting(..) => "evicts",
            Self::Encoding(_) => "encodes a frame",
            Self::Deciding(..) => "takes a frame in",
            Self::NamingStep(..) => "asks for the step",
            Self::Replying(..) => "replies",
            Self::WritingEarly(_) => "writes a summary early",
        }
    }
}

/// The frame is over, or else something is to be done.
type Next = Result<Option<FrameDone>, SessionError>;

impl Session {
    /// Goes on with what came of the work that was waited for.
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
            (Stage::Deciding(turn, mut saying), Done::Said(said)) => match saying.take(said) {
                true => self.decided(turn, saying),
                false => self.wait_for(Work::Decode, Stage::Deciding(turn, saying)),
            },
            (Stage::NamingStep(turn, mut saying), Done::Said(said)) => match saying.take(said) {
                true => self.step_is_named(turn, &saying),
                false => self.wait_for(Work::Decode, Stage::NamingStep(turn, saying)),
            },
            (Stage::Replying(turn, mut saying), Done::Said(said)) => match saying.take(said) {
                true => self.replied(turn, saying),
                false => self.wait_for(Work::Decode, Stage::Replying(turn, saying)),
            },
            (Stage::WritingEarly(turn), Done::Said(Said { token_ids, .. })) => {
                self.early_goes_on(&token_ids);
                self.close(turn)
            }
            (stage, done) => {
                self.stage = stage;
                Err(self.out_of_turn(&done, "the result of its last work"))
            }
        }
    }

    /// Has `work` done and goes on with its result.
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
