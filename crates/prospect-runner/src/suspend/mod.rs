//! A run that is written down now and then, so that it outlives its process: `--checkpoint` and `--resume`. (A checkpoint
//! of the *model* is [`crate::checkpoint`].)
//!
//! [`Keeper`] writes; [`SuspendedRun`] is what comes back. Beside what the rest of the stream depends on, the file says how far
//! source and trace had come. It belongs to one model, one source, the same settings and annotations and one trace, and is
//! refused with anything else.

mod error;
mod identity;

use std::num::NonZeroUsize;
use std::path::Path;

use prospect_config::Settings;
use prospect_engine::StreamModel;
use prospect_journal::{SuspendedFile, SuspendedStream, TRACE_FILE, TraceSink, TraceWriter};

pub use error::SuspendError;
use identity::nothing;
pub use identity::{Identity, MayChange, threshold_and_strategy};

use crate::error::RunError;
use crate::model_files::ModelFiles;
use crate::run::{Progress, ServedStream};

/// The stream of a run, as it was written down.
pub type SuspendedRun = SuspendedStream<Progress, Identity>;

/// The trace in `folder`: a new one, or that of the run that goes on.
///
/// # Errors
/// [`SuspendError::Trace`].
pub fn trace_in(folder: &Path, suspended: Option<&SuspendedRun>) -> Result<TraceWriter, SuspendError> {
    let Some(run) = suspended else { return Ok(TraceWriter::in_folder(folder)) };
    TraceWriter::continued(folder, run.trace()).map_err(|problem| SuspendError::Trace {
        path: run.path().to_owned(),
        trace: folder.join(TRACE_FILE),
        problem,
    })
}

/// Writes a stream down every so many frames.
#[derive(Debug)]
pub struct Keeper {
    may_change: MayChange,
    file: SuspendedFile,
    every: NonZeroUsize,
    identity: Identity,
}

impl Keeper {
    /// Keeps the stream of `source` under these settings, fitted to `model`, in the file `path`.
    ///
    /// # Errors
    /// As [`SuspendedFile::take`], or a file of the stream that cannot be looked at.
    pub fn new(
        path: &Path,
        every: NonZeroUsize,
        settings: &Settings,
        model: &ModelFiles,
        source: &str,
    ) -> Result<Self, RunError> {
        let file = SuspendedFile::take(path)?;
        Ok(Self { may_change: nothing, file, every, identity: Identity::of(settings, model, source)? })
    }

    /// The stream may go on with other values of these settings.
    pub fn with_changes_of(self, may_change: MayChange) -> Self {
        Self { may_change, ..self }
    }

    /// Where the stream is written down.
    pub fn file(&self) -> &SuspendedFile {
        &self.file
    }

    /// The stream that the file holds, if this run can go on with it.
    ///
    /// # Errors
    /// Every way in which it cannot, but for what only the model can tell.
    pub fn suspended(&self) -> Result<SuspendedRun, RunError> {
        let stream: SuspendedRun = self.file.read()?;
        stream.identity().check(&self.identity, stream.path(), self.may_change)?;
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

    /// Writes the stream down, between two frames.
    ///
    /// # Errors
    /// The trace or the file cannot be written.
    pub fn keep<M: StreamModel>(
        &self,
        stream: &ServedStream<M>,
        progress: &Progress,
        trace: &mut dyn TraceSink,
    ) -> Result<(), RunError> {
        Ok(self.file.keep(stream.input(), trace, progress.clone(), self.identity.clone())?)
    }
}
