//! A stream that is written down now and then, so that it outlives its process: `--checkpoint` and `--resume`. (A checkpoint
//! of the *model* is [`crate::checkpoint`].)
//!
//! [`Keeper`] writes; [`SuspendedStream`] is what comes back. The file holds everything that the rest of the stream depends
//! on: the cache with its positions, the state of session, model and statistics, how far source and trace had come. It
//! belongs to one model, one source, the same settings and annotations and one trace, and is refused with anything else.

mod document;
mod error;
mod identity;

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use prospect_config::Settings;
use prospect_engine::StreamModel;
use prospect_model::StoredTensors;

pub use document::SuspendedStream;
pub use error::SuspendError;

use crate::error::RunError;
use crate::lock::Lock;
use crate::run::{Progress, ServedStream};
use crate::trace::TraceSink;
use crate::whole_file::write_whole;
use identity::Identity;

/// Writes a stream down every so many frames.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    every: NonZeroUsize,
    identity: Identity,
    lock: Lock,
}

impl Keeper {
    /// Keeps the stream of `source` under these settings, fitted to the checkpoint in the folder `model`, in the file `path`.
    ///
    /// # Errors
    /// [`SuspendError::Taken`], [`RunError::Locked`], or a file of the stream that cannot be looked at.
    pub fn new(
        path: &Path,
        every: NonZeroUsize,
        settings: &Settings,
        model: &Path,
        source: &str,
    ) -> Result<Self, RunError> {
        refuse_to_overwrite(path)?;
        let lock = Lock::of_file(path)?;
        Ok(Self { path: path.to_owned(), every, identity: Identity::of(settings, model, source)?, lock })
    }

    /// Why nobody sees to it that the file has one writer, where the file system cannot.
    pub fn unlocked(&self) -> Option<&str> {
        self.lock.missing.as_deref()
    }

    /// Whether there is a stream in the file, which a run that begins anew would lose.
    pub fn holds_stream(&self) -> bool {
        self.path.exists()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stream that the file holds, if this run can go on with it.
    ///
    /// # Errors
    /// Every way in which it cannot, but for what only the model can tell.
    pub fn suspended(&self) -> Result<SuspendedStream, RunError> {
        let stream = SuspendedStream::read(&self.path)?;
        stream.check(&self.identity)?;
        Ok(stream)
    }

    /// Writes the stream down if so many frames have passed.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn keep_if_due<M: StreamModel>(
        &self,
        stream: &ServedStream<M>,
        progress: &Progress,
        trace: &mut dyn TraceSink,
    ) -> Result<(), RunError> {
        match progress.items.is_multiple_of(self.every.get()) {
            true => self.keep(stream, progress, trace),
            false => Ok(()),
        }
    }

    /// Writes the stream down, between two frames. The file is the old one or the new one at any moment, also when the machine
    /// goes down; its trace is on the disk before.
    ///
    /// # Errors
    /// The trace or the file cannot be written.
    pub fn keep<M: StreamModel>(
        &self,
        stream: &ServedStream<M>,
        progress: &Progress,
        trace: &mut dyn TraceSink,
    ) -> Result<(), RunError> {
        let (path, identity, progress) = (self.path.clone(), self.identity.clone(), progress.clone());
        let position = trace.position()?;
        let written = stream.handle().suspend(move |parts| {
            let parts = parts?;
            let failed = |source| RunError::Write { path: path.clone(), source };
            write_whole(&path, failed, |to| {
                document::write(to, &parts, position, &progress, &identity).map_err(failed)
            })
        });
        written?
    }

    /// Takes the file away: the stream that it is for has come to its end.
    ///
    /// # Errors
    /// [`RunError::Write`].
    pub fn forget(&self) -> Result<(), RunError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(RunError::Write { path: self.path.clone(), source: error })
            }
            _ => Ok(()),
        }
    }
}

/// A name that was mistyped must not cost a file, least of all the weights of a model.
fn refuse_to_overwrite(path: &Path) -> Result<(), RunError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file,
    };
    let mut head = Vec::new();
    file.and_then(|file| file.take(StoredTensors::SIGNATURE_BYTES as u64).read_to_end(&mut head))
        .map_err(|source| RunError::Read { path: path.to_owned(), source })?;
    match StoredTensors::has_signature(&head) {
        true => Ok(()),
        false => Err(SuspendError::Taken { path: path.to_owned() }.into()),
    }
}
