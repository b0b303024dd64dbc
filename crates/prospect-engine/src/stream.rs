//! The handle of one stream.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use prospect_session::{Aside, FrameInput, OpeningTexts, Pace, RunStatistics};

use crate::command::Command;
use crate::error::EngineError;
use crate::output::{Output, SuspendedParts};
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

/// A stream that an engine serves. Dropped, it is closed.
pub struct Stream<M: StreamModel> {
    id: usize,
    commands: Sender<Command<M>>,
    outputs: Receiver<Output>,
    epoch: Instant,
}

impl<M: StreamModel> Stream<M> {
    pub(crate) fn new(
        id: usize,
        commands: Sender<Command<M>>,
        outputs: Receiver<Output>,
        epoch: Instant,
    ) -> Self {
        Self { id, commands, outputs, epoch }
    }

    /// Pushes a frame; frames are worked on in their order. Who pushes faster than [`Self::next`] comes keeps them waiting
    /// in memory.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn frame(&self, frame: StreamFrame<M::PreparedPicture>) -> Result<(), EngineError> {
        let StreamFrame { index, time, picture: Picture { fingerprint, prepared }, arrival } = frame;
        let at = |moment: Instant| moment.saturating_duration_since(self.epoch);
        let pace = arrival.map(|(arrived, deadline, queued)| Pace {
            arrived: at(arrived),
            deadline: at(deadline),
            queued,
        });
        let input = FrameInput { index, time, fingerprint, pace };
        self.send(Command::Frame { stream: self.id, input, picture: prepared })
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn next(&self) -> Result<Output, EngineError> {
        self.outputs.recv().map_err(|_| EngineError::Stopped)
    }

    /// Waits for what comes next, but not for longer than `patience`.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn next_within(&self, patience: Duration) -> Result<Option<Output>, EngineError> {
        match self.outputs.recv_timeout(patience) {
            Ok(output) => Ok(Some(output)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(EngineError::Stopped),
        }
    }

    /// What people speak through, from any thread.
    pub fn speaker(&self) -> Speaker<M> {
        Speaker { id: self.id, commands: self.commands.clone() }
    }

    /// Records what happened to the stream beside its frames: one event.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn aside(&self, aside: Aside) -> Result<(), EngineError> {
        self.send(Command::Aside { stream: self.id, aside })
    }

    /// Has the stream written down by `write`, which runs on the engine's thread: nothing is copied, and all streams wait.
    /// The stream has to be between two frames, and everything that came of it taken by then belongs to what is written.
    ///
    /// # Errors
    /// [`EngineError::Stopped`]; `write` is told of the others.
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
    /// taken afterwards ([`Self::rest`]).
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn finish(&self, failure: Option<String>) -> Result<RunStatistics, EngineError> {
        let (finished, answer) = channel();
        self.send(Command::Finish { stream: self.id, failure, finished })?;
        answer.recv().map_err(|_| EngineError::Stopped)
    }

    /// Everything that has come by now.
    pub fn rest(&self) -> impl Iterator<Item = Output> + '_ {
        self.outputs.try_iter()
    }

    fn send(&self, command: Command<M>) -> Result<(), EngineError> {
        self.commands.send(command).map_err(|_| EngineError::Stopped)
    }
}

impl<M: StreamModel> Drop for Stream<M> {
    fn drop(&mut self) {
        // An engine that has stopped has closed it.
        let _ = self.commands.send(Command::Close { stream: self.id });
    }
}

/// Speaks to a stream, from any thread.
pub struct Speaker<M: StreamModel> {
    id: usize,
    commands: Sender<Command<M>>,
}

impl<M: StreamModel> Clone for Speaker<M> {
    fn clone(&self) -> Self {
        Self { id: self.id, commands: self.commands.clone() }
    }
}

impl<M: StreamModel> Speaker<M> {
    /// Somebody says something: it goes in with the next frame.
    ///
    /// # Errors
    /// A text that cannot be encoded or does not fit; the stream goes on. [`EngineError::Stopped`], also if the stream is
    /// closed.
    pub fn say(&self, text: &str) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        let text = text.to_owned();
        let command = Command::Say { stream: self.id, text, heard };
        self.commands.send(command).map_err(|_| EngineError::Stopped)?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }

    /// Another system prompt, or something else to know of the task: [`prospect_session::Session::set_opening`].
    ///
    /// # Errors
    /// As [`Self::say`].
    pub fn set_opening(&self, opening: OpeningTexts) -> Result<(), EngineError> {
        let (heard, answer) = channel();
        let command = Command::Opening { stream: self.id, opening, heard };
        self.commands.send(command).map_err(|_| EngineError::Stopped)?;
        answer.recv().map_err(|_| EngineError::Stopped)?
    }
}
