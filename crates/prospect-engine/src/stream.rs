//! The receiving half of a stream's handle.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::error::EngineError;
use crate::output::Output;
use crate::stream_input::StreamInput;
use crate::stream_model::StreamModel;

/// The receiving half of the handle of a stream. One thread takes the outputs here. Any number of clones of
/// its [`StreamInput`] give inputs. Dropping it closes the stream.
pub struct Stream<M: StreamModel> {
    input: StreamInput<M>,
    outputs: Receiver<Output>,
}

impl<M: StreamModel> Stream<M> {
    pub(crate) fn new(input: StreamInput<M>, outputs: Receiver<Output>) -> Self {
        Self { input, outputs }
    }

    /// The sending half of the handle. A clone of it can be used in other threads.
    pub fn input(&self) -> &StreamInput<M> {
        &self.input
    }

    /// Waits for the next output.
    ///
    /// # Errors
    /// [`EngineError::Stopped`].
    pub fn next(&self) -> Result<Output, EngineError> {
        self.outputs.recv().map_err(|_| EngineError::Stopped)
    }

    /// Waits for the next output, but not longer than `patience`; `None` if there was none.
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

    /// All outputs that have come by now.
    pub fn rest(&self) -> impl Iterator<Item = Output> + '_ {
        self.outputs.try_iter()
    }
}

impl<M: StreamModel> Drop for Stream<M> {
    fn drop(&mut self) {
        self.input.close();
    }
}
