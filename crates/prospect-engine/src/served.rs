//! The engine thread's side of a stream: its session, its cache, its waiting frames.

use std::collections::VecDeque;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use prospect_context::PositionPolicy;
use prospect_session::{
    Aside, Done, Evicted, FrameDone, FrameInput, ResolvedPiece, RunStatistics, Session, SessionError, Work,
};

use crate::adjustment::Adjustment;
use crate::error::EngineError;
use crate::load::{Taken, Waiting};
use crate::memory::{peak_memory_bytes, resident_memory_bytes};
use crate::output::{Output, StreamPosition, SuspendedParts};
use crate::stream_model::{StreamModel, TalkInput, TalkPart};

/// The order of frames: first those with a deadline, by the deadline; then the one that has waited longest.
pub(crate) type Due = (bool, Duration);

/// Gets the result of a change of settings.
pub(crate) type Heard = Sender<Result<(), EngineError>>;

pub(crate) struct Served<M: StreamModel> {
    session: Session,
    cache: M::Cache,
    /// The bytes of the cache, for the load.
    _taken: Taken,
    /// The picture of the present frame, until it is encoded.
    picture: Option<M::PreparedPicture>,
    /// The embeddings of the present frame; between two frames, those of the frame before.
    features: Option<M::Features>,
    /// The frames that wait.
    frames: VecDeque<(FrameInput, M::PreparedPicture, Waiting)>,
    /// The work for which the session waits. It is always a work that takes time and shares a pass with works
    /// of other streams.
    awaited: Option<Work>,
    /// Whether the stream has no deadlines, and the time at which the present frame should be done.
    due: Due,
    /// Changes of settings that wait for the end of the present frame.
    adjustments: VecDeque<(Adjustment, Heard)>,
    /// Whether the stream has failed or ended. It then takes no more input.
    closed: bool,
    /// The start of the engine's clock.
    epoch: Instant,
    outputs: Sender<Output>,
}

impl<M: StreamModel> Served<M> {
    pub(crate) fn new(
        session: Session,
        cache: M::Cache,
        taken: Taken,
        last_frame: Option<M::Features>,
        epoch: Instant,
        outputs: Sender<Output>,
    ) -> Self {
        let mut served = Self {
            session,
            cache,
            _taken: taken,
            picture: None,
            features: last_frame,
            frames: VecDeque::new(),
            awaited: None,
            due: (true, Duration::ZERO),
            adjustments: VecDeque::new(),
            closed: false,
            epoch,
            outputs,
        };
        served.tell_events();
        served
    }

    /// The session, unless the stream is closed.
    pub(crate) fn open_session(&mut self) -> Result<&mut Session, EngineError> {
        match self.closed {
            true => Err(EngineError::Stopped),
            false => Ok(&mut self.session),
        }
    }

    pub(crate) fn statistics(&self) -> &RunStatistics {
        self.session.statistics()
    }

    pub(crate) fn position(&self) -> StreamPosition {
        StreamPosition {
            statistics: self.session.statistics().clone(),
            cache_tokens: self.session.cache_tokens(),
            budget: self.session.budget(),
        }
    }

    pub(crate) fn push(&mut self, input: FrameInput, picture: M::PreparedPicture, waiting: Waiting) {
        match self.closed {
            true => self.tell(Output::Failed(EngineError::Stopped)),
            false => self.frames.push_back((input, picture, waiting)),
        }
    }

    fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Whether the stream has nothing to do until the next input.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.closed || (self.awaited.is_none() && self.frames.is_empty())
    }

    pub(crate) fn due(&self) -> Due {
        self.due
    }

    /// Begins the next frame if possible, and does all quick works.
    pub(crate) fn go_on(&mut self, model: &M) {
        if self.closed || !self.session.is_idle() || self.awaited.is_some() {
            return;
        }
        if let Some((input, picture, waiting)) = self.frames.pop_front() {
            drop(waiting);
            let now = self.now();
            self.due = input.pace.map_or((true, now), |pace| (false, pace.deadline));
            self.picture = Some(picture);
            let begun = self.session.frame(input, now);
            self.after(model, begun);
        }
    }

    /// Takes the result of the awaited work.
    pub(crate) fn done(&mut self, model: &M, done: Result<Done, EngineError>) {
        self.awaited = None;
        match done {
            Ok(done) => {
                let next = self.session.done(done, self.now());
                self.after(model, next);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Does the next works of the session, up to a work that takes time.
    fn after(&mut self, model: &M, next: Result<Option<FrameDone>, SessionError>) {
        let mut next = next.map_err(EngineError::from);
        while let Ok(over) = &mut next {
            let frame_done = over.take();
            // Before the frame is said to be done: what is written down of the stream then has them.
            self.make_adjustments(model);
            if let Some(FrameDone { reply }) = frame_done {
                self.tell_events();
                self.tell(Output::FrameDone(reply));
            }
            match self.session.next_work() {
                Some(Work::Fork { ids }) => next = model.fork(&mut self.cache, ids).map(|()| None),
                Some(Work::CutReply) => model.cut_reply(&mut self.cache),
                Some(Work::DropFork) => model.drop_fork(&mut self.cache),
                Some(Work::Truncate { tokens }) => model.truncate(&mut self.cache, tokens),
                Some(Work::Evict { pieces, positions }) => next = self.evict(model, &pieces, positions),
                // What takes time goes together with others' works.
                work => {
                    self.awaited = work;
                    self.tell_events();
                    return;
                }
            }
        }
        if let Err(error) = next {
            self.fail(error);
        }
    }

    fn evict(
        &mut self,
        model: &M,
        pieces: &[ResolvedPiece],
        positions: PositionPolicy,
    ) -> Result<Option<FrameDone>, EngineError> {
        let positions_reset = model.evict(&mut self.cache, pieces, positions)?;
        let tokens_after = model.cache_tokens(&self.cache);
        let memory_bytes = resident_memory_bytes();
        let evicted = Done::Evicted(Evicted { tokens_after, positions_reset, memory_bytes });
        Ok(self.session.done(evicted, self.now())?)
    }

    /// Whether a picture waits to be encoded, and is not that of the frame before.
    pub(crate) fn wants_encoding(&self) -> bool {
        matches!(self.awaited, Some(Work::Encode { reuse: false, .. }))
    }

    /// Reuses the encoding of the frame before for a frame with exactly the same pixels.
    pub(crate) fn reuse_encoding(&mut self, model: &M) {
        if matches!(self.awaited, Some(Work::Encode { reuse: true, .. })) {
            self.picture = None;
            let features = self.features.clone().ok_or(EngineError::Stopped);
            self.encoded(model, features);
        }
    }

    pub(crate) fn take_picture(&mut self) -> Option<M::PreparedPicture> {
        self.picture.take()
    }

    /// Takes the embeddings of the picture.
    pub(crate) fn encoded(&mut self, model: &M, features: Result<M::Features, EngineError>) {
        let compare = matches!(self.awaited, Some(Work::Encode { compare: true, .. }));
        let done = features.and_then(|features| {
            let before = self.features.replace(features);
            let similarity = match (before, &self.features, compare) {
                (Some(before), Some(features), true) => Some(model.similarity(&before, features)?),
                _ => None,
            };
            Ok(Done::Encoded { similarity })
        });
        self.done(model, done);
    }

    /// The stream's part of the next pass, if it has one.
    pub(crate) fn talk_part(&mut self) -> Option<TalkPart<'_, M>> {
        let input = match self.awaited.as_ref()? {
            Work::Prefill { ids, with_frame, then } => {
                let frame = self.features.as_ref().filter(|_| *with_frame);
                TalkInput::Prefill { ids, frame, then: *then }
            }
            Work::Decode => TalkInput::Decode,
            Work::ContinueFork { max_new_tokens } => TalkInput::Fork { max_new_tokens: *max_new_tokens },
            _ => return None,
        };
        Some(TalkPart { cache: &mut self.cache, input })
    }

    pub(crate) fn aside(&mut self, aside: Aside) {
        self.session.aside(aside);
        self.tell_events();
    }

    /// Ends the reply that is being generated. Returns whether there was one.
    pub(crate) fn cut_reply(&mut self, model: &M) -> Result<bool, EngineError> {
        let now = self.now();
        let Some(next) = self.open_session()?.cut_reply(now) else { return Ok(false) };
        self.awaited = None;
        model.cut_reply(&mut self.cache);
        self.after(model, next);
        Ok(true)
    }

    /// Changes settings now, or after the present frame. `heard` gets the result.
    pub(crate) fn adjust(&mut self, model: &M, adjustment: Adjustment, heard: Heard) {
        if self.closed {
            // Whoever asks and does not wait for the answer has gone.
            let _ = heard.send(Err(EngineError::Stopped));
            return;
        }
        self.adjustments.push_back((adjustment, heard));
        if self.awaited.is_none() {
            self.after(model, Ok(None));
        }
    }

    /// Makes the changes that waited for the end of a frame.
    fn make_adjustments(&mut self, model: &M) {
        while self.session.is_idle()
            && let Some((Adjustment { threshold, rule, settings, opening }, heard)) =
                self.adjustments.pop_front()
        {
            let made = self.session.adjust(rule, settings, opening);
            if let (Ok(()), Some(threshold)) = (&made, threshold) {
                model.set_threshold(&mut self.cache, threshold);
            }
            let _ = heard.send(made.map_err(EngineError::from));
        }
    }

    /// The state of the stream between two frames.
    pub(crate) fn suspended(&self, model: &M) -> Result<SuspendedParts<'_>, EngineError> {
        if self.closed {
            return Err(EngineError::Stopped);
        }
        let memory = self.session.memory().filter(|_| self.awaited.is_none() && self.frames.is_empty());
        let memory = memory.ok_or(EngineError::AtWork)?;
        Ok(SuspendedParts { memory, model: model.suspend(&self.cache, self.features.as_ref())? })
    }

    /// Closes the trace. The stream does no more work.
    pub(crate) fn finish(&mut self, failure: Option<String>) {
        self.close();
        match failure {
            Some(message) => self.session.fail(message, peak_memory_bytes()),
            None => self.session.finish(peak_memory_bytes()),
        }
        self.tell_events();
    }

    fn fail(&mut self, error: EngineError) {
        self.close();
        self.tell_events();
        self.tell(Output::Failed(error));
    }

    fn close(&mut self) {
        self.closed = true;
        (self.awaited, self.picture) = (None, None);
        self.frames.clear();
        // Whoever waits for a change hears that nothing comes of it.
        self.adjustments.clear();
    }

    fn tell_events(&mut self) {
        // They are of the reply whose event may be among these.
        if let Some(words) = self.session.take_words() {
            self.tell(Output::Words(words));
        }
        for event in self.session.take_events() {
            self.tell(Output::Event(event));
        }
    }

    /// Sends an output. An error is ignored: a receiver that is gone is about to close the stream.
    fn tell(&self, output: Output) {
        let _ = self.outputs.send(output);
    }
}
