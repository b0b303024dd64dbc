//! The file of a suspended stream: a safetensors file whose text is this.

use std::path::{Path, PathBuf};

use prospect_model::{StoredTensors, write_tensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::Identity;
use super::{SuspendError, UnfitError};
use crate::error::RunError;
use crate::run::Progress;
use crate::session::{Session, SessionMemory, SuspendedSession};
use crate::stream_model::{StreamModel, SuspendedModel};
use crate::trace::TracePosition;

/// Version of the format; raised when a field changes its meaning.
const VERSION: u32 = 2;

/// What goes in.
#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    identity: &'a Identity,
    progress: &'a Progress,
    trace: TracePosition,
    session: &'a SessionMemory,
    model: &'a Value,
}

/// What comes out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "version")]
    _version: u32,
    identity: Identity,
    progress: Progress,
    trace: TracePosition,
    session: SessionMemory,
    model: Value,
}

/// Writes a session between two frames; its trace is on the disk before.
pub(super) fn write<M: StreamModel>(
    to: &mut dyn std::io::Write,
    session: &mut Session<'_, M>,
    progress: &Progress,
    identity: &Identity,
    path: &Path,
) -> Result<(), RunError> {
    let SuspendedSession { memory, model: SuspendedModel { description, tensors }, trace } =
        session.suspend()?;
    let written =
        Written { version: VERSION, identity, progress, trace, session: &memory, model: &description };
    let failed = |source| RunError::Write { path: path.to_owned(), source };
    let text = serde_json::to_string(&written).map_err(|error| failed(error.into()))?;
    write_tensors(to, &text, &tensors).map_err(|error| failed(std::io::Error::other(error)))
}

/// A suspended stream, read and found whole.
#[derive(Debug)]
pub struct SuspendedStream {
    path: PathBuf,
    document: Read,
    tensors: StoredTensors,
}

impl std::fmt::Debug for Read {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Read").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl SuspendedStream {
    /// Checks the bytes of a file; `path` is what errors name.
    ///
    /// # Errors
    /// [`SuspendError::Damaged`], [`SuspendError::Version`], [`SuspendError::Malformed`].
    pub fn parse(bytes: Vec<u8>, path: &Path) -> Result<Self, SuspendError> {
        let damaged = |problem| SuspendError::Damaged { path: path.to_owned(), problem };
        let malformed = |problem| SuspendError::Malformed { path: path.to_owned(), problem };
        let tensors = StoredTensors::parse(bytes).map_err(damaged)?;
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(tensors.text()).map_err(malformed)?;
        if version != VERSION {
            let format = |version| format!("a program whose checkpoints have version {version}");
            let (found, expected) = (format(version), format(VERSION));
            return Err(SuspendError::Version { path: path.to_owned(), found, expected });
        }
        let document = serde_json::from_str(tensors.text()).map_err(malformed)?;
        Ok(Self { path: path.to_owned(), document, tensors })
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// As [`Self::parse`], [`SuspendError::Missing`], and a file that cannot be read.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(bytes, path)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(SuspendError::Missing { path: path.to_owned() }.into())
            }
            Err(source) => Err(RunError::Read { path: path.to_owned(), source }),
        }
    }

    pub(super) fn check(&self, run: &Identity) -> Result<(), SuspendError> {
        self.document.identity.check(run, &self.path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far the stream had come.
    pub fn progress(&self) -> &Progress {
        &self.document.progress
    }

    /// How far its trace had come.
    pub fn trace(&self) -> TracePosition {
        self.document.trace
    }

    /// Brings a session that has seen nothing yet to where the stream was.
    ///
    /// # Errors
    /// [`SuspendError::Unfit`].
    pub fn resume<M: StreamModel>(self, session: &mut Session<'_, M>) -> Result<Progress, SuspendError> {
        let Self { path, document: Read { session: memory, model, progress, .. }, tensors } = self;
        let unfit = |problem: UnfitError| SuspendError::Unfit { path, problem };
        session.resume(memory, &model, &tensors).map_err(unfit)?;
        Ok(progress)
    }
}
