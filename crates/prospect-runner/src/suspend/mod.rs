//! A run that is suspended to a file regularly, so that it survives its process: `--checkpoint` and
//! `--resume`. (Checkpoints of the *model* are in [`crate::checkpoint`].)
//!
//! [`Keeper`] writes the file, and [`SuspendedRun`] is what is read from it. Besides the state of the
//! stream the file stores the positions in source and trace. It belongs to one model, one source, one
//! trace, and the same settings and annotations, and is refused with others.

mod error;
mod identity;

use std::num::NonZeroUsize;
use std::path::Path;

use prospect_config::Settings;
use prospect_engine::StreamModel;
use prospect_journal::{SuspendedFile, SuspendedStream, TRACE_FILE, TraceSink, TraceWriter};

pub use error::SuspendError;
use identity::nothing;
#[cfg(feature = "serve")]
pub use identity::threshold_strategy_and_prompt;
pub use identity::{Identity, MayChange, threshold_and_strategy};

use crate::error::RunError;
use crate::model_files::ModelFiles;
use crate::run::{Progress, ServedStream};

/// The suspended stream of a run.
pub type SuspendedRun = SuspendedStream<Progress, Identity>;

/// The trace in `folder`: a new one, or the continued trace of the resumed run.
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

/// Suspends a stream to a file at regular intervals.
#[derive(Debug)]
pub struct Keeper {
    may_change: MayChange,
    file: SuspendedFile,
    every: NonZeroUsize,
    identity: Identity,
}

impl Keeper {
    /// Keeps the stream of `source` in the file `path`. The settings must be fitted to `model`.
    ///
    /// # Errors
    /// As [`SuspendedFile::take`]; a file of the stream's identity cannot be read.
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

    /// Allows the stream to be resumed with other values of these settings.
    pub fn with_changes_of(self, may_change: MayChange) -> Self {
        Self { may_change, ..self }
    }

    /// The file of the suspended stream.
    pub fn file(&self) -> &SuspendedFile {
        &self.file
    }

    /// Reads the stream in the file, if this run can resume it.
    ///
    /// # Errors
    /// All reasons why it cannot, except those that only the model can detect.
    pub fn suspended(&self) -> Result<SuspendedRun, RunError> {
        let stream: SuspendedRun = self.file.read()?;
        stream.identity().check(&self.identity, stream.path(), self.may_change)?;
        Ok(stream)
    }

    /// Suspends the stream if enough frames have passed.
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

    /// Suspends the stream, between two frames.
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
