//! A blob of which a part is there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Digest, Sha256};

use super::listing::RemoteFile;
use crate::error::HubError;

/// How much is hashed at once.
const CHUNK: usize = 1 << 16;

/// The beginning of a blob, and the digest so far. It stays when the process dies, and is read again.
pub(super) struct Partial<'a> {
    path: PathBuf,
    target: &'a RemoteFile,
    file: File,
    bytes: u64,
    digest: Box<dyn DynDigest>,
}

impl<'a> Partial<'a> {
    /// Opens what is there of `target`.
    pub(super) fn open(path: &Path, target: &'a RemoteFile) -> Result<Self, HubError> {
        let failed = |source| HubError::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut partial = Self { path: path.to_owned(), target, file, bytes: 0, digest: hasher(target) };
        if bytes > target.bytes {
            partial.clear()?;
        }
        let there = partial.file.metadata().map_err(failed)?.len();
        partial.hash_what_is_there(there).map_err(failed)?;
        Ok(partial)
    }

    /// Bytes that are there.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are missing.
    pub(super) fn missing(&self) -> u64 {
        self.target.bytes - self.bytes
    }

    /// Begins again.
    pub(super) fn clear(&mut self) -> Result<(), HubError> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cleared.map_err(|source| self.failed(source))?;
        self.bytes = 0;
        self.digest = hasher(self.target);
        Ok(())
    }

    /// Puts more behind what is there, at most what is missing.
    pub(super) fn append(&mut self, more: &[u8]) -> Result<(), HubError> {
        self.file.write_all(more).map_err(|source| self.failed(source))?;
        self.digest.update(more);
        self.bytes += more.len() as u64;
        Ok(())
    }

    /// The digest of what is there, in hexadecimal digits; it counts from the beginning again.
    pub(super) fn digest(&mut self) -> String {
        let digest = self.digest.finalize_reset();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The whole blob, in the place where it is looked for.
    pub(super) fn move_to(self, blob: &Path) -> Result<(), HubError> {
        std::fs::rename(&self.path, blob).map_err(|source| self.failed(source))
    }

    fn hash_what_is_there(&mut self, bytes: u64) -> std::io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while self.bytes < bytes {
            let rest = CHUNK.min((bytes - self.bytes) as usize);
            self.file.read_exact(&mut chunk[..rest])?;
            self.digest.update(&chunk[..rest]);
            self.bytes += rest as u64;
        }
        Ok(())
    }

    fn failed(&self, source: std::io::Error) -> HubError {
        let path = self.path.clone();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                HubError::DiskFull { path, missing: self.missing() }
            }
            _ => HubError::Write { path, source },
        }
    }
}

/// SHA-256, or for small files what git takes: SHA-1 over a head and the contents.
fn hasher(target: &RemoteFile) -> Box<dyn DynDigest> {
    if target.digest.len() == 64 {
        return Box::new(Sha256::new());
    }
    let head = format!("blob {}\0", target.bytes);
    Box::new(Sha1::new_with_prefix(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8], length: usize) -> String {
        let folder = tempfile::tempdir().unwrap();
        let target =
            RemoteFile { name: "file".into(), bytes: bytes.len() as u64, digest: "0".repeat(length) };
        let path = folder.path().join("file.incomplete");
        let (first, second) = bytes.split_at(bytes.len() / 2);
        Partial::open(&path, &target).unwrap().append(first).unwrap();
        let mut partial = Partial::open(&path, &target).unwrap();
        partial.append(second).unwrap();
        partial.digest()
    }

    #[test]
    fn digests_are_those_of_sha256_and_git() {
        // `printf 'hello\n' | sha256sum` and `| git hash-object --stdin`.
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(digest(b"hello\n", 64), sha256);
        assert_eq!(digest(b"hello\n", 40), "ce013625030ba8dba906f756967f9e9ca394464a");
    }

    #[test]
    fn more_than_there_should_be_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.incomplete");
        std::fs::write(&path, "longer than it should be").unwrap();
        let target = RemoteFile { name: "file".into(), bytes: 6, digest: "0".repeat(64) };
        let partial = Partial::open(&path, &target).unwrap();
        assert_eq!((partial.bytes(), partial.missing()), (0, 6));
    }
}
