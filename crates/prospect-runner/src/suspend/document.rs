//! The file of a suspended stream: a safetensors file whose text is this.

use std::path::{Path, PathBuf};

use prospect_engine::{Resumption, SuspendedModel, SuspendedParts};
use prospect_model::{StoredTensors, write_tensors};
use prospect_session::SessionMemory;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SuspendError;
use super::identity::Identity;
use crate::error::RunError;
use crate::run::Progress;
use crate::trace::TracePosition;

/// Version of the format; raised when a field changes its meaning.
const VERSION: u32 = 3;

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

/// Writes a stream between two frames.
pub(super) fn write(
    to: &mut dyn std::io::Write,
    parts: &SuspendedParts<'_>,
    trace: TracePosition,
    progress: &Progress,
    identity: &Identity,
) -> std::io::Result<()> {
    let SuspendedParts { memory, model: SuspendedModel { description, tensors } } = parts;
    let written =
        Written { version: VERSION, identity, progress, trace, session: memory, model: description };
    let text = serde_json::to_string(&written)?;
    write_tensors(to, &text, tensors).map_err(std::io::Error::other)
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

    /// What an engine goes on from.
    pub fn into_resumption(self) -> Resumption {
        let Self { path: _, document: Read { session: memory, model, .. }, tensors } = self;
        Resumption { memory, model, tensors }
    }
}
