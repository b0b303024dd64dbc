//! The sending half of a stream's handle: what everybody who has a clone of it may tell the stream, from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use prospect_session::{Aside, FrameInput, OpeningTexts, Pace, RunStatistics};

use crate::adjustment::Adjustment;
use crate::command::Command;
use crate::error::EngineError;
use crate::load::{Meter, Waiting};
use crate::output::{StreamPosition, SuspendedParts};
use crate::picture::Picture;
use crate::stream_model::StreamModel;

/// A frame on its way to a model.
#[derive(Debug, Clone)]
pub struct StreamFrame<P> {
    /// Number of the frame in the sampled stream, from 0.
    pub index: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// What it shows.
    pub picture: Picture<P>,
    /// When it came, when the next one is due and how many wait behind it, where the stream has a pace of its own.
    pub arrival: Option<(Instant, Instant, usize)>,
}

/// Tells a stream what happens, from any thread; clones tell the same stream. The stream is there for as long as its
/// [`Stream`](crate::Stream) is.
pub struct StreamInput<M: StreamModel> {
    id: usize,
    commands: Sender<Command<M>>,
    epoch: Instant,
    /// The stream is closed.
    closed: Arc<AtomicBool>,
    meter: Arc<Meter>,
}

impl<M: StreamModel> Clone for StreamInput<M> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            commands: self.commands.clone(),
            epoch: self.epoch,
            closed: Arc::clone(&self.closed),
            meter: Arc::clone(&self.meter),
        }
    }
}

impl<M: StreamModel> StreamInput<M> {
    pub(crate) fn new(id: usize, commands: Sender<Command<M>>, epoch: Instant, meter: Arc<Meter>) -> Self {
        Self { id, commands, epoch, closed: Arc::default(), meter }
    }

    /// Pushes a frame; frames are worked on in their order. Who pushes faster than the stream's outputs come keeps frames
    /// waiting in memory.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn frame(&self, frame: StreamFrame<M::PreparedPicture>) -> Result<(), EngineError> {
        let StreamFrame { index, time, picture: Picture { fingerprint, thumbnail, prepared }, arrival } =
            frame;
        let at = |moment: Instant| moment.saturating_duration_since(self.epoch);
        let pace = arrival.map(|(arrived, deadline, queued)| Pace {
            arrived: at(arrived),
            deadline: at(deadline),
            queued,
        });
        let input = Box::new(FrameInput { index, time, fingerprint, thumbnail, pace });
        let waiting = Waiting::counted_by(&self.meter);
        self.send(Command::Frame { stream: self.id, input, picture: prepared, waiting })
    }

    /// Somebody says something: it goes in with the next frame.
    ///
    /// # Errors
    /// A text that cannot be encoded or does not fit; the stream goes on. [`EngineError::Stopped`], also if the stream is
    /// closed.
    pub fn say(&self, text: &str) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        self.send(Command::Say { stream: self.id, text: text.to_owned(), heard })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Another system prompt, or something else to know of the task: [`prospect_session::Session::set_opening`].
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn set_opening(&self, opening: OpeningTexts) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        self.send(Command::Opening { stream: self.id, opening, heard })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// How far the stream has come.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn position(&self) -> Result<StreamPosition, EngineError> {
        let (seen, answer) = channel();
        self.send(Command::Look { stream: self.id, seen })?;
        answer.recv().map_err(|_| EngineError::Stopped)
    }

    /// Changes settings of the stream: at once if it waits for a frame, otherwise once the present frame is done.
    ///
    /// # Errors
    /// A strategy that cannot take over ([`prospect_session::Session::check_rule`]); the stream goes on as before.
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn adjust(&self, adjustment: Adjustment) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        let adjustment = Box::new(adjustment);
        self.send(Command::Adjust { stream: self.id, adjustment, heard })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Cuts the reply that is going on short: it ends behind the words that were generated, as if it could have no more.
    /// Whether there was one; a reply that has no word yet is none.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn cut_reply(&self) -> Result<bool, EngineError> {
        let (cut, answer) = channel();
        self.send(Command::CutReply { stream: self.id, cut })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Records what happened to the stream beside its frames: one event.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn aside(&self, aside: Aside) -> Result<(), EngineError> {
        self.send(Command::Aside { stream: self.id, aside })
    }

    /// Has the stream written down by `write`, which runs on the engine's thread: nothing is copied, and all streams wait.
    /// The stream has to be between two frames, and everything that came of it taken by then belongs to what is written.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed; `write` is told of the others.
    pub fn suspend<R: Send + 'static>(
        &self,
        write: impl FnOnce(Result<SuspendedParts<'_>, EngineError>) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let (written, answer) = channel();
        let write = Box::new(move |parts: Result<SuspendedParts<'_>, EngineError>| {
            // Nobody waits for it any more where this fails.
            let _ = written.send(write(parts));
        });
        self.send(Command::Suspend { stream: self.id, write })?;
        answer.recv().map_err(|_| EngineError::Stopped)
    }

    /// Closes the trace of a stream that came to its end, or that failed for this reason; what is left of its events is to be
    /// taken afterwards ([`Stream::rest`](crate::Stream::rest)).
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn finish(&self, failure: Option<String>) -> Result<RunStatistics, EngineError> {
        let (finished, answer) = channel();
        self.send(Command::Finish { stream: self.id, failure, finished })?;
        answer.recv().map_err(|_| EngineError::Stopped)
    }

    /// Closes the stream: nothing more comes of it, and whoever tells it something hears that it has stopped.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // An engine that has stopped has closed it.
        let _ = self.commands.send(Command::Close { stream: self.id });
    }

    fn send(&self, command: Command<M>) -> Result<(), EngineError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped);
        }
        self.commands.send(command).map_err(|_| EngineError::Stopped)
    }
}
