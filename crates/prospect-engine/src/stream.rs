//! The receiving half of a stream's handle.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::error::EngineError;
use crate::output::Output;
use crate::stream_input::StreamInput;
use crate::stream_model::StreamModel;

/// A stream that an engine serves: what comes of it is taken here, by one thread; what happens to it is told by any number of
/// clones of its [`StreamInput`]. Dropped, it is closed.
pub struct Stream<M: StreamModel> {
    input: StreamInput<M>,
    outputs: Receiver<Output>,
}

impl<M: StreamModel> Stream<M> {
    pub(crate) fn new(input: StreamInput<M>, outputs: Receiver<Output>) -> Self {
        Self { input, outputs }
    }

    /// What tells the stream what happens; a clone of it serves other threads.
    pub fn input(&self) -> &StreamInput<M> {
        &self.input
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

    /// Everything that has come by now.
    pub fn rest(&self) -> impl Iterator<Item = Output> + '_ {
        self.outputs.try_iter()
    }
}

impl<M: StreamModel> Drop for Stream<M> {
    fn drop(&mut self) {
        self.input.close();
    }
}
