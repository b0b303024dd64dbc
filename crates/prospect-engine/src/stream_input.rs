//! The sending half of the handle of a stream. Any number of clones can be used from any thread.

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

/// A frame for a stream.
#[derive(Debug, Clone)]
pub struct StreamFrame<P> {
    /// The number of the frame in the sampled stream, counted from 0.
    pub index: usize,
    /// The stream time in seconds.
    pub time: f64,
    /// The picture of the frame.
    pub picture: Picture<P>,
    /// For a live stream or a file in real time: when the frame arrived, when the next one is due, and how
    /// many frames wait behind it.
    pub arrival: Option<(Instant, Instant, usize)>,
}

/// Gives inputs to a stream, from any thread. Clones give inputs to the same stream. The stream exists as
/// long as its [`Stream`](crate::Stream).
pub struct StreamInput<M: StreamModel> {
    id: usize,
    commands: Sender<Command<M>>,
    epoch: Instant,
    /// Whether the stream is closed.
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

    /// Pushes a frame. Frames are processed in their order. A caller that pushes frames faster than the
    /// outputs come keeps the waiting frames in memory.
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

    /// Adds a person's message, which goes in with the next frame.
    ///
    /// # Errors
    /// The text cannot be encoded or does not fit; the stream continues. [`EngineError::Stopped`], also if
    /// the stream is closed.
    pub fn say(&self, text: &str) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        self.send(Command::Say { stream: self.id, text: text.to_owned(), heard })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Changes the system prompt or the task knowledge: [`prospect_session::Session::set_opening`].
    ///
    /// # Errors
    /// The errors of [`Self::say`].
    pub fn set_opening(&self, opening: OpeningTexts) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        self.send(Command::Opening { stream: self.id, opening, heard })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// The progress of the stream.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn position(&self) -> Result<StreamPosition, EngineError> {
        let (seen, answer) = channel();
        self.send(Command::Look { stream: self.id, seen })?;
        answer.recv().map_err(|_| EngineError::Stopped)
    }

    /// Changes settings of the stream. The change is made at once if the stream waits for a frame, otherwise
    /// after the present frame.
    ///
    /// # Errors
    /// A strategy cannot replace the present one ([`prospect_session::Session::check_rule`]), or the new
    /// prompts do not fit; the stream continues as before. [`EngineError::Stopped`], also if the stream is closed.
    pub fn adjust(&self, adjustment: Adjustment) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        let adjustment = Box::new(adjustment);
        self.send(Command::Adjust { stream: self.id, adjustment, heard })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Ends the reply that is being generated behind its present words, as if it had reached its limit.
    /// Returns whether there was one. A reply without a word so far does not count.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn cut_reply(&self) -> Result<bool, EngineError> {
        let (cut, answer) = channel();
        self.send(Command::CutReply { stream: self.id, cut })?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Records one event of the stream that is not a frame.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn aside(&self, aside: Aside) -> Result<(), EngineError> {
        self.send(Command::Aside { stream: self.id, aside })
    }

    /// Saves the stream with `write`, which runs on the engine's thread. Nothing is copied, and all streams
    /// wait. The stream has to be between two frames. All outputs that were taken before belong to the saved
    /// state.
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed. Other errors are passed to `write`.
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

    /// Closes the trace of a stream that came to its end, or that failed for the reason `failure`. The caller
    /// takes the remaining events afterwards ([`Stream::rest`](crate::Stream::rest)).
    ///
    /// # Errors
    /// [`EngineError::Stopped`], also if the stream is closed.
    pub fn finish(&self, failure: Option<String>) -> Result<RunStatistics, EngineError> {
        let (finished, answer) = channel();
        self.send(Command::Finish { stream: self.id, failure, finished })?;
        answer.recv().map_err(|_| EngineError::Stopped)
    }

    /// Closes the stream. It gives no more outputs, and inputs get the error that it has stopped.
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
