//! Checks whether files have the same contents as before, independent of their path and their time
//! stamps.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::JournalError;

const BUFFER_BYTES: usize = 1 << 20;

/// Identifies a file, or all files of a folder, by contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Total length of all files, in bytes.
    pub bytes: u64,
    /// For a file, its SHA-256. For a folder, the SHA-256 over every file's name and SHA-256.
    sha256: Sha,
}

/// A SHA-256 digest, serialized as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sha([u8; 32]);

impl Serialize for Sha {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Sha {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected a SHA-256 of 64 digits"))
    }
}

impl Sha {
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl Stamp {
    /// The stamp of the file or folder `path` as it is now. Links are followed.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn of(path: &Path) -> Result<Self, JournalError> {
        Self::look(path).map_err(|source| JournalError::Read { path: path.to_owned(), source })
    }

    /// As [`Self::of`], and includes the files in direct subfolders. A sentence encoder keeps some
    /// modules in folders of their own.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn of_modules(path: &Path) -> Result<Self, JournalError> {
        let look = || {
            let mut files = files_in(path, "")?;
            for entry in std::fs::read_dir(path)? {
                let inner = entry?.path();
                if inner.is_dir() {
                    let name = inner.file_name().unwrap_or_default().to_string_lossy();
                    files.extend(files_in(&inner, &format!("{name}/"))?);
                }
            }
            Ok(Self::of_files(files))
        };
        if !path.is_dir() {
            return Self::of(path);
        }
        look().map_err(|source| JournalError::Read { path: path.to_owned(), source })
    }

    /// The stamp of several files of one model, in any folders.
    ///
    /// # Errors
    /// [`JournalError::Read`].
    pub fn of_all(paths: impl IntoIterator<Item = PathBuf>) -> Result<Self, JournalError> {
        let of_path = |path: PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let file = of_file(&path).map_err(|source| JournalError::Read { path, source })?;
            Ok::<NamedFile, JournalError>((name, file))
        };
        Ok(Self::of_files(paths.into_iter().map(of_path).collect::<Result<Vec<NamedFile>, JournalError>>()?))
    }

    /// The stamp of a text, such as the address of a camera.
    pub fn of_text(text: &str) -> Self {
        Self { bytes: text.len() as u64, sha256: Sha(Sha256::digest(text).into()) }
    }

    fn look(path: &Path) -> std::io::Result<Self> {
        if !path.is_dir() {
            let (bytes, sha256) = of_file(path)?;
            return Ok(Self { bytes, sha256 });
        }
        Ok(Self::of_files(files_in(path, "")?))
    }

    fn of_files(mut files: Vec<NamedFile>) -> Self {
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let mut all = Sha256::new();
        for (name, (_, sha256)) in &files {
            all.update((name.len() as u64).to_le_bytes());
            all.update(name);
            all.update(sha256.0);
        }
        Self { bytes: files.iter().map(|(_, (bytes, _))| bytes).sum(), sha256: Sha(all.finalize().into()) }
    }
}

/// A file's name with its length and digest.
type NamedFile = (String, (u64, Sha));

/// The files of a folder. `before` is prepended to their names.
fn files_in(folder: &Path, before: &str) -> std::io::Result<Vec<NamedFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        // Broken links and pipes do not count as contents.
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push((format!("{before}{name}"), of_file(&path)?));
        }
    }
    Ok(files)
}

/// Length and digest of a file. A blob in the hub's cache is named by its digest, which was checked
/// when the blob was downloaded.
fn of_file(path: &Path) -> std::io::Result<(u64, Sha)> {
    let path = path.canonicalize()?;
    let about = path.metadata()?;
    let named = path.file_name().and_then(|name| Sha::parse(name.to_str()?));
    let in_blobs = path.parent().is_some_and(|folder| folder.ends_with("blobs"));
    match named.filter(|_| in_blobs) {
        Some(sha256) => Ok((about.len(), sha256)),
        None => Ok((about.len(), once(path, about.len(), about.modified()?)?)),
    }
}

/// Known digests by path, length and modification time.
type Known = HashMap<(PathBuf, u64, SystemTime), Sha>;

/// Reads each file once per process, even if many runs of a suite use it.
fn once(path: PathBuf, bytes: u64, modified: SystemTime) -> std::io::Result<Sha> {
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (path, bytes, modified);
    if let Some(sha256) = known().as_ref().and_then(|known| known.get(&key)) {
        return Ok(*sha256);
    }
    let (mut file, mut digest, mut buffer) = (File::open(&key.0)?, Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    let sha256 = Sha(digest.finalize().into());
    known().get_or_insert_default().insert(key, sha256);
    Ok(sha256)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn copies_are_the_same_and_changes_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        for at in [&one, &other] {
            std::fs::create_dir(at).unwrap();
            std::fs::write(at.join("model.safetensors"), "12345").unwrap();
            std::fs::write(at.join("config.json"), "{}").unwrap();
        }
        let touched = std::fs::File::options().write(true).open(other.join("config.json")).unwrap();
        touched.set_modified(UNIX_EPOCH).unwrap();
        let first = Stamp::of(&one).unwrap();
        let files = ["model.safetensors", "config.json"].map(|name| one.join(name));
        assert_eq!(Stamp::of_all(files).unwrap(), first);
        assert_eq!((first, first.bytes), (Stamp::of(&other).unwrap(), 7));
        std::fs::write(other.join("config.json"), "[]").unwrap();
        assert_ne!(Stamp::of(&other).unwrap(), first);
        std::fs::rename(one.join("config.json"), one.join("other.json")).unwrap();
        assert_ne!(Stamp::of(&one).unwrap(), first);
        // An encoder in the older layout has its weights in a folder of their own.
        let modules = || Stamp::of_modules(&other).unwrap();
        assert_eq!(modules(), Stamp::of(&other).unwrap());
        std::fs::create_dir(other.join("0_Transformer")).unwrap();
        std::fs::write(other.join("0_Transformer/model.safetensors"), "1").unwrap();
        let before = modules();
        std::fs::write(other.join("0_Transformer/model.safetensors"), "2").unwrap();
        assert!(modules() != before && Stamp::of(&other).unwrap() != before);
        assert!(matches!(Stamp::of(&folder.path().join("gone")), Err(JournalError::Read { .. })));
    }

    #[test]
    fn a_blob_of_the_hub_is_known_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (blobs, snapshot) = (folder.path().join("blobs"), folder.path().join("snapshot"));
        std::fs::create_dir(&blobs).unwrap();
        std::fs::create_dir(&snapshot).unwrap();
        let name = format!("{:x}", Sha256::digest("weights"));
        std::fs::write(blobs.join(&name), "weights").unwrap();
        std::os::unix::fs::symlink(blobs.join(&name), snapshot.join("model.safetensors")).unwrap();
        let plain = folder.path().join("model.safetensors");
        std::fs::write(&plain, "weights").unwrap();
        assert_eq!(Stamp::of(&snapshot.join("model.safetensors")).unwrap(), Stamp::of(&plain).unwrap());
        let json = serde_json::to_string(&Stamp::of(&plain).unwrap()).unwrap();
        assert!(json.contains(&name), "{json}");
        assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), Stamp::of(&plain).unwrap());
    }
}
