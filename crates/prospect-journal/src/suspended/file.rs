//! The place of a suspended stream. It has one writer, and a file of any other kind is never
//! overwritten.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use prospect_engine::{StreamInput, StreamModel};
use prospect_model::StoredTensors;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::document::{SuspendedStream, write_suspended};
use super::error::SuspendedError;
use crate::error::JournalError;
use crate::lock::Lock;
use crate::trace::TraceSink;

/// The file of a suspended stream, locked by this process.
#[derive(Debug)]
pub struct SuspendedFile {
    path: PathBuf,
    lock: Lock,
}

impl SuspendedFile {
    /// Takes the file `path`, which may exist already.
    ///
    /// # Errors
    /// [`SuspendedError::Taken`] if the file exists and is not a suspended stream;
    /// [`JournalError::Locked`]; [`JournalError::Read`].
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        refuse_to_overwrite(path)?;
        Ok(Self { path: path.to_owned(), lock: Lock::of_file(path)? })
    }

    /// The reason why the file is not locked, on file systems without locks.
    pub fn unlocked(&self) -> Option<&str> {
        self.lock.missing()
    }

    /// Whether the file exists, and therefore holds a stream.
    pub fn holds_stream(&self) -> bool {
        self.path.exists()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the stream that the file holds.
    ///
    /// # Errors
    /// As [`SuspendedStream::read`].
    pub fn read<P: DeserializeOwned, I: DeserializeOwned>(
        &self,
    ) -> Result<SuspendedStream<P, I>, JournalError> {
        SuspendedStream::read(&self.path)
    }

    /// Writes the stream, between two frames, with its progress and its identity. The trace is flushed
    /// to the disk first. At any moment the file is either the old one or the new one, even if the
    /// machine crashes. All events of the stream must already be in `trace`.
    ///
    /// # Errors
    /// The trace or the file cannot be written; the stream has unfinished work.
    pub fn keep<M, P, I>(
        &self,
        stream: &StreamInput<M>,
        trace: &mut dyn TraceSink,
        progress: P,
        identity: I,
    ) -> Result<(), JournalError>
    where
        M: StreamModel,
        P: Serialize + Send + 'static,
        I: Serialize + Send + 'static,
    {
        let (path, position) = (self.path.clone(), trace.position()?);
        stream.suspend(move |parts| write_suspended(&path, &parts?, position, &progress, &identity))?
    }

    /// Deletes the file, because the stream has ended.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn forget(&self) -> Result<(), JournalError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(JournalError::Write { path: self.path.clone(), source: error })
            }
            _ => Ok(()),
        }
    }
}

/// A mistyped name must not destroy a file, least of all the weights of a model.
fn refuse_to_overwrite(path: &Path) -> Result<(), JournalError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        file => file,
    };
    let mut head = Vec::new();
    file.and_then(|file| file.take(StoredTensors::SIGNATURE_BYTES as u64).read_to_end(&mut head))
        .map_err(|source| JournalError::Read { path: path.to_owned(), source })?;
    match StoredTensors::has_signature(&head) {
        true => Ok(()),
        false => Err(SuspendedError::Taken { path: path.to_owned() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_writers_and_nobody_elses_file_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stream");
        let file = SuspendedFile::take(&path).unwrap();
        assert!(file.unlocked().is_none() && !file.holds_stream());
        assert!(matches!(SuspendedFile::take(&path), Err(JournalError::Locked { .. })));
        file.forget().unwrap();
        std::fs::write(&path, "precious").unwrap();
        let taken = SuspendedFile::take(&path).unwrap_err();
        assert!(matches!(taken, JournalError::Suspended(SuspendedError::Taken { .. })), "{taken}");
    }
}
