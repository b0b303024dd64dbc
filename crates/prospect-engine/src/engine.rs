//! One model and the thread that serves its streams.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use crate::command::Command;
use crate::error::EngineError;
use crate::load::{EngineLoad, Meter, ReservedBytes};
use crate::scheduler::Scheduler;
use crate::setup::{EngineOptions, StreamSetup};
use crate::stream::Stream;
use crate::stream_input::StreamInput;
use crate::stream_model::StreamModel;

/// One model and its streams. The engine's thread runs until the engine and all handles are dropped.
pub struct Engine<M: StreamModel> {
    commands: Sender<Command<M>>,
    epoch: Instant,
    meter: Arc<Meter>,
    memory: Option<u64>,
}

impl<M: StreamModel> Engine<M> {
    /// Starts the engine's thread.
    ///
    /// # Errors
    /// [`EngineError::Thread`].
    pub fn start(model: Arc<M>, options: EngineOptions) -> Result<Self, EngineError> {
        let (commands, received) = channel();
        let epoch = Instant::now();
        let meter = Arc::default();
        let scheduler = Scheduler::new(model, options, epoch, Arc::clone(&meter));
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || scheduler.serve(&received))
            .map_err(EngineError::Thread)?;
        Ok(Self { commands, epoch, meter, memory: options.memory })
    }

    /// Opens a stream. The first event of a new stream is its budget; a resumed stream does not repeat it.
    ///
    /// # Errors
    /// [`EngineError::NoMemory`], an error of the session, a cache that cannot be allocated, or a saved
    /// stream that does not fit.
    pub fn open(&self, setup: StreamSetup) -> Result<Stream<M>, EngineError> {
        let ((outputs, received), (opened, answer)) = (channel(), channel());
        let setup = Box::new(setup);
        let command = Command::Open { setup, outputs, opened };
        self.commands.send(command).map_err(|_| EngineError::Stopped)?;
        let id = answer.recv().map_err(|_| EngineError::Stopped)??;
        let input = StreamInput::new(id, self.commands.clone(), self.epoch, Arc::clone(&self.meter));
        Ok(Stream::new(input, received))
    }

    /// Takes the bytes of a cache that is used beside the engine's streams from their common limit, until
    /// they are dropped.
    ///
    /// # Errors
    /// [`EngineError::NoMemory`].
    pub fn reserve(&self, bytes: u64) -> Result<ReservedBytes, EngineError> {
        ReservedBytes::of(&self.meter, bytes, self.memory)
    }

    /// The present load of the engine. The call does not wait for the engine's thread.
    pub fn load(&self) -> EngineLoad {
        self.meter.load(self.memory)
    }
}
