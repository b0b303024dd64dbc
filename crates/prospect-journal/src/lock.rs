//! One writer per place: a file lock that ends with its process.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use prospect_foreign::one_line;

use crate::error::JournalError;
use crate::whole_file::{folder_of, open_in_place};

/// First word of the text in a lock file.
const OWNER: &str = "process ";

/// The lock is held as long as this value lives. The operating system releases it when the process ends
/// for any reason. The lock file itself is never deleted: a process that deleted it could delete a lock
/// that another process has just taken.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
    missing: Option<String>,
}

impl Lock {
    /// Takes the lock in the file `path`. `what` is the folder or file that error messages name.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another process holds the lock; [`JournalError::Write`] if the lock
    /// file cannot be made; [`JournalError::NoLock`] if a file of that name exists that is not a lock
    /// (for a checkpoint named `Cargo`, the lock file would be `Cargo.lock`).
    pub fn take(path: &Path, what: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError::Write { path: path.to_owned(), source };
        std::fs::create_dir_all(folder_of(path)).map_err(failed)?;
        let mut file = open_in_place(path).map_err(failed)?;
        let mut holder = Vec::new();
        (&file).take(200).read_to_end(&mut holder).map_err(failed)?;
        if !holder.is_empty() && !holder.starts_with(OWNER.as_bytes()) {
            return Err(JournalError::NoLock { path: path.to_owned(), place: what.to_owned() });
        }
        match file.try_lock() {
            Ok(()) => {
                // The owner's name is only for people. The operating system holds the lock itself, so a
                // failed write is ignored.
                let written = file.set_len(0).and_then(|()| file.rewind());
                let _ = written.and_then(|()| file.write_all(owner().as_bytes()));
                Ok(Self { _file: Some(file), missing: None })
            }
            Err(TryLockError::WouldBlock) => {
                let holder = String::from_utf8_lossy(&holder);
                let holder = one_line(if holder.is_empty() { "another process" } else { &holder });
                Err(JournalError::Locked { place: what.to_owned(), holder })
            }
            Err(TryLockError::Error(error)) => {
                let missing = format!(
                    "{} cannot be locked ({error}): see that no two runs write there",
                    what.display()
                );
                Ok(Self { _file: None, missing: Some(missing) })
            }
        }
    }

    /// The reason why there is no lock, on file systems without locks.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Takes the lock of a folder, in the file `.lock` inside it.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn of_folder(folder: &Path) -> Result<Self, JournalError> {
        Self::take(&folder.join(".lock"), folder)
    }

    /// Takes the lock of a file, in a file beside it whose name ends in `.lock`.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn of_file(path: &Path) -> Result<Self, JournalError> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".lock");
        Self::take(&PathBuf::from(beside), path)
    }
}

/// Describes this process for a person: process id and host name.
fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "this machine" } else { host.trim() };
    format!("{OWNER}{} on {host}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run");
        let held = Lock::of_folder(&place).unwrap();
        assert_eq!(held.missing(), None);
        let refused = Lock::of_folder(&place).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(held);
        Lock::of_folder(&place).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_lock_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("precious"), "").unwrap();
        std::os::unix::fs::symlink(at("precious"), at("x.ck.lock")).unwrap();
        let refused = Lock::of_file(&at("x.ck")).unwrap_err().to_string();
        assert!(refused.contains("it is a link"), "{refused}");
        assert_eq!(std::fs::read(at("precious")).unwrap(), b"");
        std::fs::write(at("Cargo.lock"), "version = 4\n").unwrap();
        let refused = Lock::of_file(&at("Cargo")).unwrap_err();
        assert!(matches!(refused, JournalError::NoLock { .. }), "{refused}");
        assert_eq!(std::fs::read(at("Cargo.lock")).unwrap(), b"version = 4\n");
    }
}
