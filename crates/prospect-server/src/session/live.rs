//! One session.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use prospect_session::{Event, RunStatistics};
use prospect_source::{Frame, FramePusher};
use serde::Serialize;
use serde_json::json;

use super::kept::Kept;
use super::log::EventLog;
use super::viewers::Viewers;
use crate::backend::{LiveStream, OpenError, StreamChange, StreamEnd, StreamPosition, StreamWatcher};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::metrics::Metrics;
use crate::mutex::Mutex;
use crate::notify::SessionNotices;
use crate::order::SessionOrder;

/// Most results that are kept for the client that pushed the frames.
const MOST_RESULTS: usize = 256;

/// State of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub(crate) enum State {
    /// Running.
    Watching,
    /// Suspended; it can be resumed.
    Suspended,
    /// Its frames have ended.
    Over,
    /// Failed, with the reason in one line.
    Failed(String),
}

/// Result of one frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct FrameResult {
    /// Number of the frame.
    pub(crate) index: usize,
    /// Stream time in seconds.
    pub(crate) time: f64,
    /// The assistant's reply.
    pub(crate) reply: Option<String>,
    /// Why the frame was dropped, if it never reached the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dropped: Option<String>,
    /// Probability of silence, if there was a talk decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_talk_probability: Option<f32>,
    /// Number of tokens in the cache after the frame.
    pub(crate) cache_tokens: usize,
    /// Milliseconds of vision tower, decoder, and in total.
    pub(crate) times: [f64; 3],
    /// Evictions before the frame: number of tokens before and after each.
    pub(crate) evictions: Vec<[usize; 2]>,
}

/// A session with its stream, its owner, its results, and the queue of pushed frames.
pub(crate) struct LiveSession {
    pub(crate) id: String,
    pub(crate) owner: Caller,
    pub(crate) folder: PathBuf,
    /// The request with which it was opened, with later changes.
    order: Mutex<SessionOrder>,
    pub(crate) log: EventLog,
    /// The queue of pushed frames; `None` if the server reads a source.
    pusher: Mutex<Option<FramePusher>>,
    /// Held while a stream is opened, suspended or removed, so that these happen one after the other.
    /// True after the session was removed.
    change: Mutex<bool>,
    /// Held while a picture is decoded and pushed, so that at most one decoded picture exists outside
    /// the queue.
    pub(crate) pushing: tokio::sync::Mutex<()>,
    /// Held while a conversation is answered in the session, so that answers come one after the other.
    pub(crate) answering: Arc<tokio::sync::Mutex<()>>,
    /// Whoever waits to see its next frame.
    pub(crate) viewers: Viewers,
    stream: Mutex<Option<Box<dyn LiveStream>>>,
    progress: Mutex<Progress>,
    metrics: Arc<Metrics>,
    /// Sends events to external receivers.
    notices: SessionNotices,
}

/// Progress of a session.
struct Progress {
    state: State,
    last_used: Instant,
    results: BTreeMap<usize, FrameResult>,
    /// Reply and evictions of the frame in progress.
    reply: Option<String>,
    evictions: Vec<[usize; 2]>,
    figures: Figures,
}

/// Figures of a session for clients.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) frames: usize,
    pub(crate) frames_dropped: usize,
    pub(crate) replies: usize,
    pub(crate) overflows: usize,
    pub(crate) cache_tokens: usize,
    pub(crate) max_seq_len: usize,
    pub(crate) strategy: String,
}

impl LiveSession {
    pub(super) fn new(
        id: String,
        owner: Caller,
        folder: PathBuf,
        order: SessionOrder,
        events: usize,
        metrics: Arc<Metrics>,
        notices: SessionNotices,
    ) -> Self {
        Self {
            id,
            owner,
            folder,
            order: Mutex::new(order),
            log: EventLog::new(events),
            pusher: Mutex::new(None),
            change: Mutex::new(false),
            pushing: tokio::sync::Mutex::default(),
            answering: Arc::default(),
            viewers: Viewers::default(),
            stream: Mutex::new(None),
            progress: Mutex::new(Progress {
                state: State::Watching,
                last_used: Instant::now(),
                results: BTreeMap::new(),
                reply: None,
                evictions: Vec::new(),
                figures: Figures::default(),
            }),
            metrics,
            notices,
        }
    }

    /// The request with which it was opened, with later changes.
    pub(crate) fn order(&self) -> SessionOrder {
        self.order.lock().clone()
    }

    /// Whether a client pushes the frames; otherwise the server reads them from a source.
    pub(crate) fn is_pushed(&self) -> bool {
        self.order.lock().is_pushed()
    }

    /// Changes the stream to what `order` asks for, and stores `order`.
    ///
    /// # Errors
    /// There is no stream, the stream refuses the change, or the record cannot be written.
    pub(super) fn change_stream(&self, order: SessionOrder, change: StreamChange) -> Result<(), OpenError> {
        let changed = self.with_stream(|stream| stream.change(change));
        let strategy =
            changed.unwrap_or_else(|| Err(OpenError::Over("the session does not go on".to_owned())))?;
        // The event of the change comes later, on the stream's own thread.
        self.progress.lock().figures.strategy = strategy;
        *self.order.lock() = order;
        self.write_down(false).map_err(|error| {
            OpenError::Failed(format!("the change holds, and cannot be written down: {error}"))
        })
    }

    /// Sends the present state to external receivers.
    fn tell_state(&self) {
        // A state always serializes.
        self.notices.state(serde_json::to_value(self.state()).unwrap_or_default());
    }

    /// Writes the record of the session.
    pub(super) fn write_down(&self, is_over: bool) -> std::io::Result<()> {
        let (id, owner, order) = (self.id.clone(), self.owner, self.order());
        Kept { id, owner, order, is_over }.write(&self.folder)
    }

    /// Writes down that the session has ended.
    fn write_end(&self) {
        if let Err(error) = self.write_down(true) {
            // The next server tries to resume the session, and then finds that it has ended.
            tracing::warn!(session = self.id, "its end is not written down: {error}");
        }
    }

    /// Whether it began with the server. All callers may see it and speak to it.
    pub(crate) fn is_servers(&self) -> bool {
        self.owner == Caller::SERVER
    }

    /// Whether this caller may see it.
    pub(super) fn is_seen_by(&self, caller: Caller) -> bool {
        self.owner == caller || self.is_servers()
    }

    /// # Errors
    /// The session began with the server. Only the operator may change or end it.
    pub(crate) fn check_changeable(&self) -> Result<(), ApiError> {
        match self.is_servers() {
            true => Err(ApiError::forbidden(
                "the session began with the server: it can be seen and spoken to, and its settings are the operator's",
            )),
            false => Ok(()),
        }
    }

    /// Waits for the exclusive right to change the session's stream.
    pub(super) fn change(&self) -> MutexGuard<'_, bool> {
        self.change.lock()
    }

    /// Sets the queue of pushed frames.
    pub(super) fn set_pusher(&self, pusher: FramePusher) {
        *self.pusher.lock() = Some(pusher);
    }

    /// The queue of pushed frames.
    pub(crate) fn pusher(&self) -> Option<FramePusher> {
        self.pusher.lock().clone()
    }

    /// Sets the stream that was opened for the session.
    pub(super) fn set_stream(&self, stream: Box<dyn LiveStream>) {
        *self.stream.lock() = Some(stream);
        self.tell_state();
    }

    /// Stops the stream. No event follows.
    pub(super) fn stop(&self) {
        self.progress.lock().state = State::Over;
        if let Some(pusher) = self.pusher() {
            pusher.end();
        }
        // Dropping the stream waits for its end, so no lock is held.
        let stream = self.stream.lock().take();
        drop(stream);
        self.log.end();
        self.notices.forget();
    }

    /// Asks the stream to suspend, without waiting for it. The caller holds [`Self::change`] until the
    /// stream is suspended.
    ///
    /// # Errors
    /// The session does not run.
    pub(super) fn begin_to_suspend(&self) -> Result<(), OpenError> {
        {
            let mut progress = self.progress.lock();
            if progress.state != State::Watching {
                return Err(OpenError::Over("the session does not go on: expected one that does".to_owned()));
            }
            // Set before the stream is told, which may end at once.
            progress.state = State::Suspended;
        }
        if let Some(stream) = self.stream.lock().as_deref() {
            stream.begin_to_suspend();
        }
        Ok(())
    }

    /// Waits until the stream that was asked to suspend is written.
    ///
    /// # Errors
    /// The stream could not be written, or had come to its end before.
    pub(super) fn end_suspending(&self) -> Result<(), OpenError> {
        let stream = self.stream.lock().take();
        let written = stream.map_or(Ok(()), |stream| stream.suspend());
        match &written {
            Ok(()) => {
                tracing::info!(session = self.id, "suspended");
                self.log.add("suspended", json!({ "event": "suspended" }).to_string());
                self.tell_state();
            }
            Err(error) => {
                tracing::error!(session = self.id, "not suspended: {error}");
                let mut progress = self.progress.lock();
                // The stream itself may have said how it ended.
                if progress.state == State::Suspended {
                    progress.state = State::Failed(error.to_string());
                }
                drop(progress);
                self.tell_state();
                self.log.end();
            }
        }
        written
    }

    /// Suspends the stream and stops it. The caller holds [`Self::change`].
    ///
    /// # Errors
    /// The stream could not be written, or the session does not run.
    pub(super) fn suspend(&self) -> Result<(), OpenError> {
        self.begin_to_suspend()?;
        self.end_suspending()
    }

    /// Calls `ask` with the stream, if there is one.
    pub(crate) fn with_stream<R>(&self, ask: impl FnOnce(&dyn LiveStream) -> R) -> Option<R> {
        self.stream.lock().as_deref().map(ask)
    }

    pub(crate) fn state(&self) -> State {
        self.progress.lock().state.clone()
    }

    /// Sets the state of a session without a running stream.
    pub(super) fn set_state(&self, state: State) {
        self.progress.lock().state = state;
        self.tell_state();
    }

    pub(crate) fn figures(&self) -> Figures {
        self.progress.lock().figures.clone()
    }

    /// Marks the session as used now.
    pub(crate) fn touch(&self) {
        self.progress.lock().last_used = Instant::now();
    }

    /// Time since the last request for the session.
    pub(super) fn idle(&self) -> Duration {
        self.progress.lock().last_used.elapsed()
    }

    /// Removes and returns the result of a frame; `None` while the frame waits.
    pub(crate) fn take_result(&self, index: usize) -> Option<FrameResult> {
        self.progress.lock().results.remove(&index)
    }
}

impl Progress {
    fn finish_frame(&mut self, result: FrameResult) {
        self.results.insert(result.index, result);
        // Nobody may be waiting for the oldest results.
        while self.results.len() > MOST_RESULTS {
            self.results.pop_first();
        }
    }

    fn take(&mut self, event: &Event, metrics: &Metrics) {
        match event {
            Event::RunStarted { strategy, .. } => self.figures.strategy.clone_from(strategy),
            Event::Budget { max_seq_len, .. } => self.figures.max_seq_len = *max_seq_len,
            Event::SettingsChanged { strategy, .. } => self.figures.strategy.clone_from(strategy),
            Event::Reply { text, token_ids, .. } => {
                self.reply = Some(text.clone());
                self.figures.replies += 1;
                metrics.replied(token_ids.len());
            }
            Event::Overflow { tokens_before, tokens_after, ms, .. } => {
                self.evictions.push([*tokens_before, *tokens_after]);
                self.figures.overflows += 1;
                metrics.evicted(*ms);
            }
            Event::Frame {
                index, time, segments, cache_tokens, not_talk_probability, times, pace, ..
            } => {
                self.figures.frames += 1;
                self.figures.cache_tokens = *cache_tokens;
                let result = FrameResult {
                    index: *index,
                    time: *time,
                    reply: self.reply.take(),
                    dropped: None,
                    not_talk_probability: *not_talk_probability,
                    cache_tokens: *cache_tokens,
                    times: [times.vision_ms, times.decode_ms, times.total_ms],
                    evictions: std::mem::take(&mut self.evictions),
                };
                let tokens = segments.iter().map(|segment| segment.tokens).sum();
                metrics.frame(tokens, times, pace.as_ref());
                self.finish_frame(result);
            }
            Event::FrameDropped { reason, index, time } => {
                self.figures.frames_dropped += 1;
                metrics.dropped();
                if let (Some(index), Some(time)) = (*index, *time) {
                    let cache_tokens = self.figures.cache_tokens;
                    let (reply, times, evictions) = (None, [0.0; 3], Vec::new());
                    let dropped = Some(reason.clone());
                    let result = FrameResult {
                        index,
                        time,
                        reply,
                        dropped,
                        not_talk_probability: None,
                        cache_tokens,
                        times,
                        evictions,
                    };
                    self.finish_frame(result);
                }
            }
            _ => {}
        }
    }
}

/// The name of an event in the trace.
fn name_of(event: &Event) -> &'static str {
    match event {
        Event::RunStarted { .. } => "run_started",
        Event::Budget { .. } => "budget",
        Event::Message { .. } => "message",
        Event::Frame { .. } => "frame",
        Event::Reply { .. } => "reply",
        Event::Overflow { .. } => "overflow",
        Event::Summary { .. } => "summary",
        Event::FrameDropped { .. } => "frame_dropped",
        Event::SettingsChanged { .. } => "settings_changed",
        Event::SourceNote { .. } => "source_note",
        Event::SourceInterrupted { .. } => "source_interrupted",
        Event::Error { .. } => "error",
        Event::RunFinished { .. } => "run_finished",
    }
}

impl StreamWatcher for LiveSession {
    fn goes_on(&self, at: &StreamPosition) {
        let RunStatistics { frames, frames_dropped, replies, overflows, .. } = at.statistics;
        let (cache_tokens, max_seq_len, strategy) = (at.cache_tokens, at.max_seq_len, at.strategy.clone());
        self.progress.lock().figures =
            Figures { frames, frames_dropped, replies, overflows, cache_tokens, max_seq_len, strategy };
    }

    fn event(&self, event: &Event) {
        self.progress.lock().take(event, &self.metrics);
        // An event always serializes.
        self.log.add(name_of(event), serde_json::to_string(event).unwrap_or_default());
        self.notices.event(event);
    }

    fn frame(&self, frame: &Frame) {
        self.notices.frame(frame);
        self.viewers.show(frame);
    }

    fn words(&self, frame: usize, text: &str) {
        self.log.add("words", json!({ "event": "words", "frame": frame, "text": text }).to_string());
    }

    fn ended(&self, end: StreamEnd) {
        let (state, was) = {
            let mut progress = self.progress.lock();
            let state = match end {
                StreamEnd::Over => State::Over,
                StreamEnd::Suspended => State::Suspended,
                StreamEnd::Failed(reason) => State::Failed(reason),
            };
            (state.clone(), std::mem::replace(&mut progress.state, state))
        };
        self.tell_state();
        self.viewers.send_away();
        if !matches!(was, State::Watching | State::Suspended) {
            // The session is being removed. How its stream ends says nothing.
            return;
        }
        match &state {
            State::Watching | State::Suspended => return self.log.wake(),
            State::Over => tracing::info!(session = self.id, "has come to its end"),
            State::Failed(reason) => tracing::error!(session = self.id, "failed: {reason}"),
        }
        // A stream that could not be suspended goes on from its last checkpoint with the next server.
        if state == State::Over || was == State::Watching {
            self.write_end();
        }
        self.log.end();
    }
}
