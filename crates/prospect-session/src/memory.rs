//! The state of a stream that another process needs to continue it.
//!
//! The code takes a session apart field by field. A new field does not compile until somebody has decided
//! whether it follows from settings and checkpoint, or has to be saved.

use std::collections::VecDeque;

use prospect_context::Ledger;
use prospect_context::account::{Account, Deferred};
use serde::{Deserialize, Serialize};

use crate::error::UnfitSession;
use crate::frame::Fingerprint;
use crate::options::OpeningTexts;
use crate::session::Session;
use crate::stage::EarlyAnswer;
use crate::statistics::RunStatistics;
use crate::talk::TalkMemory;

/// The state of a session that does not follow from its options, its strategy and its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionMemory {
    ledger: Ledger,
    talk: TalkMemory,
    opening: OpeningTexts,
    opening_changed: bool,
    opened: bool,
    opening_tokens: usize,
    said: VecDeque<String>,
    pending: Option<Vec<u32>>,
    deferred: Vec<Deferred<Vec<u32>>>,
    initial_tokens: Option<usize>,
    next_request: usize,
    next_reference: usize,
    last_frame: Option<Fingerprint>,
    early: Option<EarlyAnswer>,
    statistics: RunStatistics,
}

/// What the model has of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelHolds {
    /// The number of tokens in the cache.
    pub cache_tokens: usize,
    /// Whether there is a fork on which an answer is written.
    pub fork: bool,
    /// Whether the embeddings of the frame before are there.
    pub last_frame: bool,
}

impl Session {
    /// The state that [`Session::resume`] needs; `None` while a frame is being processed.
    pub fn memory(&self) -> Option<SessionMemory> {
        let Self {
            language: _,
            rule: _,
            rules: _,
            options,
            layout: _,
            account,
            prompt_room: _,
            talk,
            opened,
            opening_tokens,
            opening_changed,
            said,
            next_request,
            next_reference,
            last_frame,
            early,
            statistics,
            // Of a frame; there is none between two.
            stage: _,
            held: _,
            works: _,
            // They are in the trace.
            events: _,
            // Of a reply, and of who listens.
            telling: _,
            now: _,
        } = self;
        self.is_idle().then(|| SessionMemory {
            ledger: account.ledger().clone(),
            talk: talk.memory().clone(),
            opening: options.opening.clone(),
            opening_changed: *opening_changed,
            opened: *opened,
            opening_tokens: *opening_tokens,
            said: said.clone(),
            pending: account.pending().cloned(),
            deferred: account.deferred().to_vec(),
            initial_tokens: account.initial_tokens(),
            next_request: *next_request,
            next_reference: *next_reference,
            last_frame: *last_frame,
            early: early.clone(),
            statistics: statistics.clone(),
        })
    }

    /// Continues from the state of [`Session::memory`], in a session that has had no input yet. `model` says
    /// what the model has of the stream.
    ///
    /// # Errors
    /// A contradiction in the state. The session cannot be used then.
    pub fn resume(&mut self, memory: SessionMemory, model: ModelHolds) -> Result<(), UnfitSession> {
        let SessionMemory {
            ledger,
            talk,
            opening,
            opening_changed,
            opened,
            opening_tokens,
            said,
            pending,
            deferred,
            initial_tokens,
            next_request,
            next_reference,
            last_frame,
            early,
            statistics,
        } = memory;
        let ModelHolds { cache_tokens: cache, fork, last_frame: has_last_frame } = model;
        if ledger.tokens() != cache {
            return Err(UnfitSession::Ledger { ledger: ledger.tokens(), cache });
        }
        let requests = self.options.requests.len();
        if next_request > requests {
            return Err(UnfitSession::Request { next_request, requests });
        }
        let references = self.options.references.len();
        if early.is_some() != fork || early.as_ref().is_some_and(|early| early.covers > cache) {
            return Err(UnfitSession::Fork);
        }
        if last_frame.is_some() != has_last_frame {
            return Err(UnfitSession::LastFrame);
        }
        self.talk.remember(talk);
        self.account = Account::resumed(self.account.budget(), ledger, pending, deferred, initial_tokens)
            .with_user_turn(self.layout.for_account());
        (self.options.opening, self.opening_changed) = (opening, opening_changed);
        (self.opened, self.opening_tokens, self.said) = (opened, opening_tokens, said);
        (self.next_request, self.next_reference) = (next_request, next_reference.min(references));
        (self.last_frame, self.early, self.statistics) = (last_frame, early, statistics);
        // The trace has its budget already.
        self.events.clear();
        Ok(())
    }
}
