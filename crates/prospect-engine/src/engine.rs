//! One model and the thread that serves its streams.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::command::Command;
use crate::error::EngineError;
use crate::scheduler::Scheduler;
use crate::setup::{EngineOptions, StreamSetup};
use crate::stream::Stream;
use crate::stream_model::StreamModel;

/// One model and its streams. Dropped, it ends when its last stream is closed.
pub struct Engine<M: StreamModel> {
    commands: Sender<Command<M>>,
    thread: Option<JoinHandle<()>>,
    epoch: Instant,
}

impl<M: StreamModel> Engine<M> {
    /// Starts the thread that serves.
    ///
    /// # Errors
    /// [`EngineError::Thread`].
    pub fn start(model: Arc<M>, options: EngineOptions) -> Result<Self, EngineError> {
        let (commands, received) = channel();
        let epoch = Instant::now();
        let scheduler = Scheduler::new(model, options, epoch);
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || scheduler.serve(&received))
            .map_err(EngineError::Thread)?;
        Ok(Self { commands, thread: Some(thread), epoch })
    }

    /// Opens a stream; its budget is the first event, unless it goes on.
    ///
    /// # Errors
    /// [`EngineError::NoMemory`], what the session refuses, a cache that cannot be had, a stream that does not fit.
    pub fn open(&self, setup: StreamSetup) -> Result<Stream<M>, EngineError> {
        let ((outputs, received), (opened, answer)) = (channel(), channel());
        let setup = Box::new(setup);
        let command = Command::Open { setup, outputs, opened };
        self.commands.send(command).map_err(|_| EngineError::Stopped)?;
        let id = answer.recv().map_err(|_| EngineError::Stopped)??;
        Ok(Stream::new(id, self.commands.clone(), received, self.epoch))
    }
}

impl<M: StreamModel> Drop for Engine<M> {
    fn drop(&mut self) {
        // The thread ends with the last handle; a handle that outlives the engine keeps it alive.
        let (unconnected, _) = channel();
        drop(std::mem::replace(&mut self.commands, unconnected));
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            // It has told its streams; there is nobody else to tell.
            let _ = thread.join();
        }
    }
}
