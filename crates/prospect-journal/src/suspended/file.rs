//! The place of a suspended stream: one writer, and nothing of anybody else's.

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

/// The file that a stream is written down in, held by this process alone.
#[derive(Debug)]
pub struct SuspendedFile {
    path: PathBuf,
    lock: Lock,
}

impl SuspendedFile {
    /// Takes the file `path`, which is there or will be.
    ///
    /// # Errors
    /// [`SuspendedError::Taken`] where it is something else's, [`JournalError::Locked`], or a file that cannot be looked at.
    pub fn take(path: &Path) -> Result<Self, JournalError> {
        refuse_to_overwrite(path)?;
        Ok(Self { path: path.to_owned(), lock: Lock::of_file(path)? })
    }

    /// Why nobody sees to it that the file has one writer, where the file system cannot.
    pub fn unlocked(&self) -> Option<&str> {
        self.lock.missing()
    }

    /// Whether there is a stream in the file.
    pub fn holds_stream(&self) -> bool {
        self.path.exists()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The stream that the file holds.
    ///
    /// # Errors
    /// As [`SuspendedStream::read`].
    pub fn read<P: DeserializeOwned, I: DeserializeOwned>(
        &self,
    ) -> Result<SuspendedStream<P, I>, JournalError> {
        SuspendedStream::read(&self.path)
    }

    /// Writes the stream down, between two frames, with how far it has come and what it is a stream of. The file is the old one
    /// or the new one at any moment, also when the machine goes down; its trace is on the disk before. Everything that came of
    /// the stream has to be in `trace`.
    ///
    /// # Errors
    /// The trace or the file cannot be written; the stream is at work.
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

    /// Takes the file away: the stream that it is for has come to its end.
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

/// A name that was mistyped must not cost a file, least of all the weights of a model.
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
