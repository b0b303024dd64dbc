//! The stream loop: frames in, one at a time; evictions when the cache overflows; replies out.

mod chunk;
mod dialogue;
mod early;
mod encoding;
mod eviction;
mod options;
mod pace;
mod reply;
mod statistics;
mod suspended;
mod talk;
#[cfg(test)]
mod tests;

pub use options::{ContextRule, SessionOptions};
pub use statistics::{RunStatistics, peak_memory_bytes, resident_memory_bytes};
pub use suspended::{SessionMemory, SuspendedSession};

use std::time::Instant;

use prospect_config::TalkPolicy;
use prospect_context::{Budget, Ledger, Role, SegmentKind, SignalRequest};
use serde::{Deserialize, Serialize};

use crate::annotations::{Annotations, Message};
use crate::error::RunError;
use crate::picture::Picture;
use crate::source::Frame;
use crate::stream_model::{Generated, StreamModel};
use crate::trace::{Event, SegmentEntry, StageTimes, TraceSink};

use early::EarlyWriting;
use encoding::LastFrame;
use talk::TalkState;

/// A reply of the assistant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Frame after which it was given.
    pub frame: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// The cleaned text.
    pub text: String,
}

/// What a run leaves in memory; everything else is in its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The figures that close the trace.
    pub statistics: RunStatistics,
    /// Stream time of the first and the last frame, in seconds.
    pub span: (f64, f64),
}

impl Outcome {
    /// The references at whose time there was a frame to reply to.
    pub fn references<'a>(&self, annotations: &'a Annotations) -> Vec<&'a Message> {
        annotations.references_between(self.span.0, self.span.1).collect()
    }
}

/// One stream in progress.
pub struct Session<'a, M: StreamModel> {
    model: &'a mut M,
    rule: &'a ContextRule,
    options: &'a SessionOptions,
    annotations: Option<&'a Annotations>,
    trace: &'a mut dyn TraceSink,
    ledger: Ledger,
    budget: Budget,
    /// Most tokens that ask for a reply.
    prompt_room: usize,
    talk: TalkState,
    opened: bool,
    opening_tokens: usize,
    /// Generated, but not in the cache yet: the silence token or the last token of a reply.
    pending: Vec<u32>,
    /// Put back by an eviction after a frame, or the reference that stands for a reply; goes in with the next chunk.
    deferred: Vec<(SegmentKind, Vec<u32>)>,
    /// Cache length after the first step that carried a user message.
    initial_tokens: Option<usize>,
    next_request: usize,
    next_reference: usize,
    last_frame: Option<LastFrame<M::Features>>,
    /// A summary that is being written before the overflow.
    early: Option<EarlyWriting<M::Fork>>,
    /// Of the frame that goes in next, where the stream has a pace of its own.
    arrival: Option<pace::InTurn>,
    statistics: RunStatistics,
    /// Events of an eviction after its frame, until the frame is told.
    held: Option<Vec<Event>>,
}

impl<'a, M: StreamModel> Session<'a, M> {
    /// A stream that has seen nothing yet; the trace gets its budget.
    ///
    /// # Errors
    /// As [`Self::prepared`], and the trace cannot be written.
    pub fn new(
        model: &'a mut M,
        rule: &'a ContextRule,
        options: &'a SessionOptions,
        annotations: Option<&'a Annotations>,
        trace: &'a mut dyn TraceSink,
    ) -> Result<Self, RunError> {
        let session = Self::prepared(model, rule, options, annotations, trace)?;
        let budget = session.budget;
        session.trace.record(&Event::Budget {
            max_seq_len: budget.max_seq_len,
            reserved_seq_len: budget.reserved_seq_len,
            max_reply_tokens: budget.max_reply_tokens,
            max_summary_tokens: budget.max_summary_tokens,
        })?;
        Ok(session)
    }

    /// The same for a trace that has the budget already: for [`Self::resume`].
    ///
    /// # Errors
    /// [`RunError::MissingDialogueState`] if the strategy works from one and the run has none; a prompt that cannot be
    /// encoded.
    pub fn prepared(
        model: &'a mut M,
        rule: &'a ContextRule,
        options: &'a SessionOptions,
        annotations: Option<&'a Annotations>,
        trace: &'a mut dyn TraceSink,
    ) -> Result<Self, RunError> {
        let talk = TalkState::new(&options.talk);
        let mut max_summary_tokens = 0;
        if let ContextRule::Strategy(strategy) = rule {
            if strategy.needs_dialogue_state() && !talk.has_dialogue_state(annotations) {
                return Err(RunError::MissingDialogueState { strategy: strategy.name().to_owned() });
            }
            max_summary_tokens = strategy.max_summary_tokens(&eviction::Counter(&*model));
        }
        // What cannot be asked is found before the first frame, not hours later.
        for request in &options.requests {
            model
                .encode_message(Role::User, &request.text, false)
                .map_err(|error| RunError::Request { time: request.time, problem: error.to_string() })?;
        }
        let prompt_room = talk.prompt_room(model, annotations)?;
        let longest_reply = match options.reference_context {
            true => options.max_new_tokens.max(reply::longest_reference(model, annotations, options.fps)?),
            false => options.max_new_tokens,
        };
        let budget = Budget {
            max_seq_len: options.max_seq_len,
            reserved_seq_len: options.reserved_seq_len,
            max_reply_tokens: longest_reply + prompt_room,
            max_summary_tokens,
        };
        Ok(Self {
            model,
            rule,
            options,
            annotations,
            trace,
            ledger: Ledger::new(),
            budget,
            prompt_room,
            talk,
            opened: false,
            opening_tokens: 0,
            pending: Vec::new(),
            deferred: Vec::new(),
            initial_tokens: None,
            next_request: 0,
            next_reference: 0,
            last_frame: None,
            early: None,
            arrival: None,
            statistics: RunStatistics::default(),
            held: None,
        })
    }

    /// The figures so far.
    pub fn statistics(&self) -> &RunStatistics {
        &self.statistics
    }

    /// The model, as the frames so far left it.
    pub fn model(&self) -> &M {
        self.model
    }

    /// Puts one frame in and returns the reply, if the assistant spoke.
    ///
    /// # Errors
    /// Whatever ends the run: the strategy, the model, the budget, the trace.
    pub fn frame(&mut self, frame: &Frame, picture: Picture<M::Prepared>) -> Result<Option<Reply>, RunError> {
        let started = Instant::now();
        if matches!(self.rule, ContextRule::Stateless) {
            self.reset_to_opening()?;
        }
        let mut chunk = self.chunk(frame)?;
        if self.make_room(chunk.ids.len(), frame.time)? {
            chunk = self.chunk(frame)?;
        }
        let room = self.reply_room(chunk.ids.len())?;
        let vision = Instant::now();
        let fingerprint = picture.fingerprint;
        let (features, encoding_reused) = self.encode(picture)?;
        let similarity = self.similarity(&features)?;
        let vision_ms = milliseconds(vision);

        let decoding = Instant::now();
        let generated = self.model.step(&chunk.ids, Some(&features), &self.talk.after_frame(room))?;
        let mut entries = Vec::with_capacity(4);
        self.account(&chunk, frame.time, similarity, &mut entries)?;
        let (before_reply, shown) = (self.ledger.tokens(), entries.len());
        let mut spoken = self.take_generated(&generated, frame.time, &mut entries);
        if let Some(turn) = self.talk.turn(self.model, self.annotations, room, frame.time)? {
            spoken = Some(self.prompted_reply(&turn, room, frame.time, &mut entries)?);
        }
        self.statistics.cache(self.talk.take_fork_tokens());
        self.statistics.cache(self.model.cache_tokens());
        if self.options.reference_context {
            let proactive = matches!(self.options.talk, TalkPolicy::Proactive);
            self.put_reference_instead(before_reply, proactive, frame.time)?;
            entries.truncate(shown);
        }
        if chunk.requests > 0 && self.initial_tokens.is_none() {
            self.initial_tokens = Some(self.model.cache_tokens());
        }
        let spoke = spoken.is_some();
        if !spoke {
            // The next silent frame brings as much as this one's picture, and what is pending.
            self.write_early(chunk.frame_tokens + self.waiting_tokens(), frame.time)?;
        }
        let stages = StageTimes { vision_ms, decode_ms: milliseconds(decoding), total_ms: 0.0 };
        let reply = spoken.map(|ids| self.reply(frame, ids)).transpose()?.flatten();
        let cache_tokens = self.model.cache_tokens();
        // What is done about this frame's overflow is this frame's time, and is told behind it.
        self.held = Some(Vec::new());
        let evicted = self.evict_after_frame(&features, frame.time);
        let behind = self.held.take().unwrap_or_default();
        let times = StageTimes { total_ms: milliseconds(started), ..stages };
        let decision = (spoke, similarity, encoding_reused);
        self.record_frame(frame, entries, (cache_tokens, decision), &generated, times)?;
        behind.iter().try_for_each(|event| self.trace.record(event))?;
        evicted?;
        self.last_frame = Some(LastFrame { fingerprint, features });
        self.trace.flush()?;
        Ok(reply)
    }

    /// Closes the trace of a run that came to its end.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn finish(&mut self) -> Result<RunStatistics, RunError> {
        self.trace.record(&self.statistics.finished())?;
        self.trace.flush()?;
        Ok(self.statistics.clone())
    }

    /// Closes the trace of a run that failed; what was recorded before stays.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn fail(&mut self, error: &RunError) -> Result<(), RunError> {
        close_failed(self.trace, error, &self.statistics)
    }

    /// Takes an event of an eviction down, in its place.
    fn record_eviction(&mut self, event: Event) -> Result<(), RunError> {
        match &mut self.held {
            Some(held) => held.push(event),
            None => self.trace.record(&event)?,
        }
        Ok(())
    }

    /// The measurements that the strategy asked for.
    fn signals(&self) -> SignalRequest {
        match self.rule {
            ContextRule::Strategy(strategy) => strategy.signals(),
            ContextRule::Stateless | ContextRule::Unlimited => SignalRequest::default(),
        }
    }

    /// How alike a frame is to the one before it, if the strategy wants to know.
    fn similarity(&self, features: &M::Features) -> Result<Option<f64>, RunError> {
        let before = self.last_frame.as_ref().filter(|_| self.signals().frame_similarity);
        before.map(|before| self.model.similarity(&before.features, features)).transpose()
    }

    /// The stateless baseline forgets everything but the opening.
    fn reset_to_opening(&mut self) -> Result<(), RunError> {
        if self.opened {
            self.model.truncate(self.opening_tokens)?;
            self.ledger.truncate(self.opening_tokens);
            self.pending.clear();
            self.deferred.clear();
        }
        Ok(())
    }

    /// Tokens that a reply may have once `incoming` more are in the cache: the longest reply, or fewer where the preset of
    /// ProAssist's rules leaves fewer.
    fn reply_room(&self, incoming: usize) -> Result<usize, RunError> {
        let (cache_tokens, max_seq_len) = (self.model.cache_tokens(), self.options.max_seq_len);
        let taken = cache_tokens + incoming + self.prompt_room;
        match (max_seq_len + 1).checked_sub(taken) {
            // The last token of a reply is not in the cache.
            Some(room) if room > 0 => Ok(self.options.max_new_tokens.min(room)),
            _ => Err(RunError::NoRoom {
                incoming,
                cache_tokens,
                reply: self.budget.max_reply_tokens,
                max_seq_len,
            }),
        }
    }

    fn record_frame(
        &mut self,
        frame: &Frame,
        segments: Vec<SegmentEntry>,
        (cache_tokens, (spoke, similarity, encoding_reused)): (usize, (bool, Option<f64>, bool)),
        generated: &Generated,
        times: StageTimes,
    ) -> Result<(), RunError> {
        self.statistics.frame(times.total_ms, cache_tokens);
        self.statistics.encodings_reused += usize::from(encoding_reused);
        let pace = self.pace_of_frame();
        self.trace.record(&Event::Frame {
            index: frame.index,
            time: frame.time,
            segments,
            cache_tokens,
            spoke,
            encoding_reused,
            similarity,
            not_talk_probability: generated.not_talk_probability,
            pace,
            times,
        })
    }
}

/// Closes the trace of a run that failed after these figures.
pub(crate) fn close_failed(
    trace: &mut dyn TraceSink,
    error: &RunError,
    statistics: &RunStatistics,
) -> Result<(), RunError> {
    trace.record(&Event::Error { message: error.to_string() })?;
    trace.record(&statistics.finished())?;
    trace.flush()
}

/// Milliseconds since a moment.
pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
