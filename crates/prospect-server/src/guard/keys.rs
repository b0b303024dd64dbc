//! Bearer keys that identify callers.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Fewest characters of a key. A shorter one could be guessed.
const LEAST_LETTERS: usize = 16;

/// Why the keys cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("--api-key-file {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A key is too short.
    #[error("--api-key-file {}: line {line}: expected a key of at least {LEAST_LETTERS} letters", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
    },
    /// The file has no key.
    #[error("--api-key-file {}: no key: expected one a line", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// The accepted keys. Only their SHA-256 digests are stored.
#[derive(Clone, Default)]
pub struct Keys(Vec<[u8; 32]>);

/// The identity of a caller: a number that is derived from the key and reveals nothing about it, or a
/// constant if no keys are required.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Caller(u64);

impl Caller {
    /// All callers of a server without keys.
    pub(crate) const ANYBODY: Self = Self(0);
    /// The server itself, as owner of sessions that begin with the server.
    pub(crate) const SERVER: Self = Self(u64::MAX);

    /// The caller whose key has this digest. The number comes from a digest of the digest. It is stored
    /// with a session, so that the session still belongs to the same caller after the server has
    /// restarted.
    fn of(digest: &[u8; 32]) -> Self {
        let again: [u8; 32] = Sha256::digest(digest).into();
        let first = again.first_chunk().copied().unwrap_or_default();
        Self(u64::from_le_bytes(first).clamp(1, u64::MAX - 1))
    }
}

impl Keys {
    /// Reads keys from a file, one per line; `#` begins a comment.
    ///
    /// # Errors
    /// The file cannot be read, a key is too short, or there is no key.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut keys = Vec::new();
        for (line, key) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if key.chars().count() < LEAST_LETTERS {
                return Err(KeyError::Short { path: path.to_owned(), line });
            }
            let digest = digest(key);
            if !keys.contains(&digest) {
                keys.push(digest);
            }
        }
        match keys.is_empty() {
            true => Err(KeyError::None { path: path.to_owned() }),
            false => Ok(Self(keys)),
        }
    }

    /// The number of different keys.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The caller who presents this key; `None` if the key is unknown. All digests are compared
    /// completely, so that the time of the comparison reveals nothing about a key.
    pub(crate) fn caller(&self, key: Option<&str>) -> Option<Caller> {
        if self.0.is_empty() {
            return Some(Caller::ANYBODY);
        }
        let shown = digest(key?);
        let mut found = None;
        for known in &self.0 {
            let difference = known.iter().zip(&shown).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
            if difference == 0 {
                found = Some(Caller::of(known));
            }
        }
        found
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Result<Keys, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, text).unwrap();
        let shown = path.display().to_string();
        Keys::from_file(&path).map_err(|error| error.to_string().replace(&shown, "keys"))
    }

    #[test]
    fn every_key_is_somebody_and_others_are_nobodys() {
        let keys =
            keys("# two\naaaaaaaaaaaaaaaaaaaa\n\nbbbbbbbbbbbbbbbbbbbb\r\naaaaaaaaaaaaaaaaaaaa\n").unwrap();
        assert_eq!(keys.count(), 2);
        let (a, b) = (keys.caller(Some("aaaaaaaaaaaaaaaaaaaa")), keys.caller(Some("bbbbbbbbbbbbbbbbbbbb")));
        assert!(a.is_some() && b.is_some() && a != b && a != Some(Caller::ANYBODY));
        for wrong in
            [None, Some(""), Some("# two"), Some("aaaaaaaaaaaaaaaaaaa"), Some("bbbbbbbbbbbbbbbbbbbbb")]
        {
            assert_eq!(keys.caller(wrong), None, "{wrong:?}");
        }
        assert_eq!(Keys::default().caller(None), Some(Caller::ANYBODY));
    }

    #[test]
    fn files_without_good_keys_are_refused() {
        assert_eq!(
            keys("ok-ok-ok-ok-ok-ok\nshort\n").err().unwrap(),
            "--api-key-file keys: line 2: expected a key of at least 16 letters"
        );
        assert_eq!(keys("# nothing\n").err().unwrap(), "--api-key-file keys: no key: expected one a line");
        assert!(matches!(Keys::from_file(Path::new("/nowhere/keys")), Err(KeyError::Unreadable { .. })));
    }
}
