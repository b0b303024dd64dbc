//! What a stream has to remember so that another process can go on with it.
//!
//! A session is taken apart field by field: one that is added does not compile until somebody has decided whether it follows
//! from settings, annotations and model, or has to be written down.

use prospect_context::{Ledger, SegmentKind};
use prospect_model::StoredTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::early::{EarlyAnswer, EarlyWriting};
use super::encoding::LastFrame;
use super::talk::TalkMemory;
use super::{RunStatistics, Session};
use crate::error::RunError;
use crate::picture::Fingerprint;
use crate::stream_model::{ResumedModel, StreamModel, SuspendedModel};
use crate::suspend::UnfitError;
use crate::trace::TracePosition;

/// What of a session does not follow from its settings, its annotations and its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionMemory {
    ledger: Ledger,
    talk: TalkMemory,
    opened: bool,
    opening_tokens: usize,
    pending: Vec<u32>,
    deferred: Vec<(SegmentKind, Vec<u32>)>,
    initial_tokens: Option<usize>,
    next_request: usize,
    next_reference: usize,
    last_frame: Option<Fingerprint>,
    early: Option<EarlyAnswer>,
    statistics: RunStatistics,
}

/// A session on its way into a file.
pub struct SuspendedSession<'a> {
    /// What the loop remembers.
    pub memory: SessionMemory,
    /// What the model remembers.
    pub model: SuspendedModel<'a>,
    /// Where the trace stands.
    pub trace: TracePosition,
}

impl<M: StreamModel> Session<'_, M> {
    /// Everything that [`Session::resume`] needs, between two frames. The trace is on the disk afterwards.
    ///
    /// # Errors
    /// The trace cannot be written, or the model's tensors cannot be read.
    pub fn suspend(&mut self) -> Result<SuspendedSession<'_>, RunError> {
        let Self {
            model,
            trace,
            ledger,
            talk,
            opened,
            opening_tokens,
            pending,
            deferred,
            initial_tokens,
            next_request,
            next_reference,
            last_frame,
            early,
            statistics,
            // These follow from what the session is made from.
            rule: _,
            options: _,
            annotations: _,
            budget: _,
            prompt_room: _,
            // Of a frame; there is none between two.
            arrival: _,
            held: _,
        } = self;
        let (fork, answer) = early.as_ref().map(EarlyWriting::parts).unzip();
        let memory = SessionMemory {
            ledger: ledger.clone(),
            talk: talk.memory().clone(),
            opened: *opened,
            opening_tokens: *opening_tokens,
            pending: pending.clone(),
            deferred: deferred.clone(),
            initial_tokens: *initial_tokens,
            next_request: *next_request,
            next_reference: *next_reference,
            last_frame: last_frame.as_ref().map(|last| last.fingerprint),
            early: answer.cloned(),
            statistics: statistics.clone(),
        };
        let trace = trace.position()?;
        let features = last_frame.as_ref().map(|last| &last.features);
        Ok(SuspendedSession { memory, model: model.suspend(fork, features)?, trace })
    }

    /// Goes on where [`Session::suspend`] was, in a session that has seen nothing yet.
    ///
    /// # Errors
    /// What does not fit the model or the settings; the session cannot be used then.
    pub fn resume(
        &mut self,
        memory: SessionMemory,
        model: &Value,
        tensors: &StoredTensors,
    ) -> Result<(), UnfitError> {
        let SessionMemory {
            ledger,
            talk,
            opened,
            opening_tokens,
            pending,
            deferred,
            initial_tokens,
            next_request,
            next_reference,
            last_frame: fingerprint,
            early,
            statistics,
        } = memory;
        let ResumedModel { fork, last_frame } = self.model.resume(model, tensors)?;
        let cache = self.model.cache_tokens();
        if ledger.tokens() != cache {
            return Err(UnfitError::Ledger { ledger: ledger.tokens(), cache });
        }
        let requests = self.options.requests.len();
        if next_request > requests {
            return Err(UnfitError::Request { next_request, requests });
        }
        self.early = match (fork, early) {
            (Some(fork), Some(answer)) if answer.covers() <= cache => Some(EarlyWriting::of(fork, answer)),
            (None, None) => None,
            _ => return Err(UnfitError::Fork),
        };
        self.talk.remember(talk);
        self.last_frame = match (fingerprint, last_frame) {
            (Some(fingerprint), Some(features)) => Some(LastFrame { fingerprint, features }),
            (None, None) => None,
            _ => return Err(UnfitError::LastFrame),
        };
        (self.ledger, self.statistics) = (ledger, statistics);
        (self.opened, self.opening_tokens, self.initial_tokens) = (opened, opening_tokens, initial_tokens);
        (self.pending, self.deferred) = (pending, deferred);
        (self.next_request, self.next_reference) = (next_request, next_reference);
        Ok(())
    }
}
