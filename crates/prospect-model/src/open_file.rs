//! A file of weights that several threads can read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use prospect_processor::open_checkpoint_file;

use crate::error::{ModelError, Result};

/// An open file, locked while a thread moves its cursor and reads.
pub(crate) struct OpenFile {
    path: PathBuf,
    file: Mutex<File>,
    length: u64,
}

impl OpenFile {
    /// Opens a file of a checkpoint.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |source| ModelError::Read { path: path.to_owned(), source };
        let file = open_checkpoint_file(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), length })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file in bytes when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` with the file's contents from byte `start` on.
    pub(crate) fn read(&self, start: u64, bytes: &mut [u8]) -> Result<()> {
        // A thread that panicked may have moved the cursor, but it is set again here.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(bytes));
        read.map_err(|source| ModelError::Read { path: self.path.clone(), source })
    }

    /// Calls `read` with the file at its beginning, while no other thread reads it.
    pub(crate) fn with_reader<T>(&self, read: impl FnOnce(&mut File) -> T) -> Result<T> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.rewind().map_err(|source| ModelError::Read { path: self.path.clone(), source })?;
        Ok(read(&mut file))
    }
}
