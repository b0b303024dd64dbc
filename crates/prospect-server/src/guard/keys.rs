//! Keys that prove who asks.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Shortest key that is one: a shorter one could be guessed.
const LEAST_LETTERS: usize = 16;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("--api-key-file {}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key that is too short.
    #[error("--api-key-file {}: line {line}: expected a key of at least {LEAST_LETTERS} letters", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// No key at all.
    #[error("--api-key-file {}: no key: expected one a line", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// The keys that are let in; none of them is kept, only their digests.
#[derive(Clone, Default)]
pub struct Keys(Vec<[u8; 32]>);

/// Who asks: what stands for a key and tells nothing of it, or nothing, where no key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Caller(u64);

impl Caller {
    /// Everybody, on a server without keys.
    pub(crate) const ANYBODY: Self = Self(0);
    /// The server itself, for sessions that begin with it.
    pub(crate) const SERVER: Self = Self(u64::MAX);

    /// Whoever has the key of this digest. A digest of the digest is what is written down beside a session, so that it is its owner's
    /// also when the server begins anew.
    fn of(digest: &[u8; 32]) -> Self {
        let again: [u8; 32] = Sha256::digest(digest).into();
        let first = again.first_chunk().copied().unwrap_or_default();
        Self(u64::from_le_bytes(first).clamp(1, u64::MAX - 1))
    }
}

impl Keys {
    /// The keys in a file, one a line; `#` begins a comment.
    ///
    /// # Errors
    /// A file that cannot be read, keys that are too short, no key.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut keys = Vec::new();
        for (line, key) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if key.chars().count() < LEAST_LETTERS {
                return Err(KeyError::Short { path: path.to_owned(), line });
            }
            keys.push(digest(key));
        }
        match keys.is_empty() {
            true => Err(KeyError::None { path: path.to_owned() }),
            false => Ok(Self(keys)),
        }
    }

    /// Who shows this key; nobody if it is none of ours. Digests are compared, all of them and to their ends: how long that takes says
    /// nothing of a key.
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
        let keys = keys("# two\naaaaaaaaaaaaaaaaaaaa\n\nbbbbbbbbbbbbbbbbbbbb\r\n").unwrap();
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
