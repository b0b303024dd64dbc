//! Files from the hub into the cache: each is resumed where it was cut, checked, and only then seen by others.

use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::client::{Client, Contents};
use super::listing::RemoteFile;
use super::partial::Partial;
use super::progress::Progress;
use crate::cache::{self, Repository};
use crate::error::HubError;
use crate::id::HubId;
use crate::interrupt::Interrupt;

/// How much is received at once.
const CHUNK: usize = 1 << 16;
/// How often a lock that someone else holds is tried.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The download of one revision.
pub(super) struct Transfer<'a> {
    client: &'a Client,
    repository: &'a Repository,
    id: &'a HubId,
    commit: &'a str,
    shows_progress: bool,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(
        client: &'a Client,
        repository: &'a Repository,
        id: &'a HubId,
        commit: &'a str,
        shows_progress: bool,
    ) -> Self {
        Self { client, repository, id, commit, shows_progress }
    }

    /// Fetches what is missing of these files.
    pub(super) fn fetch(&mut self, files: &[&RemoteFile]) -> Result<(), HubError> {
        let progress = Progress::of(files, self.shows_progress);
        for file in files {
            progress.say(&file.name);
            self.fetch_blob(file, &progress)?;
            let linked = self.repository.link(self.commit, &file.name, &file.digest);
            let folder = || self.repository.snapshot_folder(self.commit);
            linked.map_err(|source| HubError::Write { path: folder().join(&file.name), source })?;
        }
        Ok(())
    }

    fn fetch_blob(&self, file: &RemoteFile, progress: &Progress) -> Result<(), HubError> {
        let blob = self.repository.blob(&file.digest);
        let is_there = || blob.metadata().is_ok_and(|about| about.len() == file.bytes);
        if is_there() {
            progress.there(file.bytes);
            return Ok(());
        }
        create_parent(&blob)?;
        let lock = lock(&self.repository.lock(&file.digest), &file.name, progress, self.client.interrupt())?;
        // Whoever held the lock may have done it.
        if is_there() {
            progress.there(file.bytes);
            return Ok(());
        }
        let shared = blob.with_extension("incomplete");
        // Others may be at work where no lock keeps them out: then each has a file of its own, which nobody goes on with.
        let (path, _removed) = match lock {
            Some(_) => (shared, None),
            None => {
                let own = cache::beside(&shared);
                (own.clone(), Some(Removed(own)))
            }
        };
        let mut partial = Partial::open(&path, file)?;
        let (mut pieces, mut again) = (usize::from(partial.bytes() > 0), false);
        progress.there(partial.bytes());
        loop {
            pieces += self.receive_all(file, &mut partial, progress)?;
            let actual = partial.digest();
            if actual == file.digest {
                return partial.move_to(&blob);
            }
            progress.lost(partial.bytes());
            partial.clear()?;
            // Pieces may have been of different contents; what comes in one go is the hub's.
            if pieces <= 1 || again {
                return Err(HubError::Digest { url: self.url(file), actual, expected: file.digest.clone() });
            }
            (pieces, again) = (0, true);
        }
    }

    /// Receives until nothing is missing, and says over how many connections. One that brought enough does not count as a
    /// failure when it breaks.
    fn receive_all(
        &self,
        file: &RemoteFile,
        partial: &mut Partial<'_>,
        progress: &Progress,
    ) -> Result<usize, HubError> {
        let (mut failures, mut connections) = (self.client.failures(), 0);
        while partial.missing() > 0 {
            let before = partial.bytes();
            let received = self.receive(file, partial, progress);
            let gained = partial.bytes().saturating_sub(before);
            connections += usize::from(gained > 0);
            if gained >= self.client.least_bytes() {
                failures.forget();
            }
            if let Err(failure) = received {
                failures.wait(failure)?;
            }
        }
        Ok(connections)
    }

    /// One connection.
    fn receive(
        &self,
        file: &RemoteFile,
        partial: &mut Partial<'_>,
        progress: &Progress,
    ) -> Result<(), HubError> {
        let url = self.url(file);
        let contents = self.client.contents(self.id, self.commit, file, partial.bytes())?;
        check_announced(&url, file, &contents)?;
        if contents.start != partial.bytes() {
            progress.lost(partial.bytes());
            partial.clear()?;
        }
        let (mut reader, mut chunk) = (contents.body, vec![0; CHUNK]);
        loop {
            self.client.interrupt().check()?;
            let cut = |partial: &Partial<'_>| HubError::Cut {
                url: url.clone(),
                received: partial.bytes(),
                expected: file.bytes,
            };
            let read = match reader.read(&mut chunk) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(reader.too_slow(&url).unwrap_or_else(|| cut(partial))),
            };
            match (read, partial.missing()) {
                (0, 0) => return Ok(()),
                (0, _) => return Err(cut(partial)),
                (read, missing) if read as u64 > missing => {
                    let actual = partial.bytes() + read as u64;
                    return Err(HubError::Size { url, actual, expected: file.bytes });
                }
                (read, _) => partial.append(&chunk[..read])?,
            }
            progress.received(read as u64);
        }
    }

    fn url(&self, file: &RemoteFile) -> String {
        self.client.file_url(self.id, self.commit, &file.name)
    }
}

/// What the answer says of the contents has to be what the list says.
fn check_announced(url: &str, file: &RemoteFile, contents: &Contents) -> Result<(), HubError> {
    let announced = contents.length.map(|length| contents.start + length);
    match (announced, &contents.digest) {
        (Some(actual), _) if actual != file.bytes => {
            Err(HubError::Size { url: url.to_owned(), actual, expected: file.bytes })
        }
        (_, Some(actual)) if *actual != file.digest => Err(HubError::Digest {
            url: url.to_owned(),
            actual: actual.clone(),
            expected: file.digest.clone(),
        }),
        _ => Ok(()),
    }
}

/// A file that goes when its download ends; where that succeeded, it has another name already.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Waits until nobody else downloads the blob; `None` where nothing can be locked. The hub's Python library locks the same file
/// in the same way.
fn lock(
    path: &Path,
    file: &str,
    progress: &Progress,
    interrupt: &Interrupt,
) -> Result<Option<File>, HubError> {
    let failed = |source| HubError::Write { path: path.to_owned(), source };
    create_parent(path)?;
    let lock = File::options().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    loop {
        match lock.try_lock() {
            Ok(()) => {
                progress.say(file);
                return Ok(Some(lock));
            }
            Err(TryLockError::WouldBlock) => {
                progress.say(&format!("{file} (another process)"));
                interrupt.sleep(LOCK_PAUSE)?;
            }
            // A file system or a server without locks, whatever it calls that (ENOLCK, ENOSYS, EOPNOTSUPP, EIO).
            Err(TryLockError::Error(_)) => {
                progress.say(&format!("{file} (no locks here)"));
                return Ok(None);
            }
        }
    }
}

fn create_parent(path: &Path) -> Result<(), HubError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(parent).map_err(|source| HubError::Write { path: parent.to_owned(), source })
}
