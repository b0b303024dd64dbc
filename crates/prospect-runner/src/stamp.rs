//! Whether files are the same as before, without reading them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::error::RunError;

/// A file, or all files of a folder, by name, length and time of change: reading gigabytes of weights to know that they are
/// the same would take longer than a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Length of all files together.
    pub(crate) bytes: u64,
    /// Of every file's name, length and time of change.
    digest: u64,
}

impl Stamp {
    /// What lies at `path` now; a link counts as what it leads to.
    ///
    /// # Errors
    /// [`RunError::Read`].
    pub(crate) fn of(path: &Path) -> Result<Self, RunError> {
        Self::look(path).map_err(|source| RunError::Read { path: path.to_owned(), source })
    }

    fn look(path: &Path) -> std::io::Result<Self> {
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path)? {
                let path = entry?.path();
                // A link counts as what it leads to: the hub's cache is made of them.
                let about = std::fs::metadata(&path)?;
                if about.is_file() {
                    files.push((path.file_name().map(ToOwned::to_owned), about.len(), modified(&about)?));
                }
            }
            files.sort();
        } else {
            let about = std::fs::metadata(path)?;
            files.push((None, about.len(), modified(&about)?));
        }
        let mut hasher = DefaultHasher::new();
        path.canonicalize()?.hash(&mut hasher);
        files.hash(&mut hasher);
        Ok(Self { bytes: files.iter().map(|file| file.1).sum(), digest: hasher.finish() })
    }
}

/// Nanoseconds since 1970 of the last change.
fn modified(about: &std::fs::Metadata) -> std::io::Result<u128> {
    Ok(about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_changes_with_any_file_in_it_also_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let (snapshot, blob) = (folder.path().join("snapshot"), folder.path().join("blob"));
        std::fs::create_dir(&snapshot).unwrap();
        std::fs::write(&blob, "12345").unwrap();
        std::os::unix::fs::symlink(&blob, snapshot.join("model.safetensors")).unwrap();
        let first = Stamp::of(&snapshot).unwrap();
        assert_eq!(first.bytes, 5);
        assert_eq!(first, Stamp::of(&snapshot).unwrap());
        std::fs::write(snapshot.join("config.json"), "").unwrap();
        let second = Stamp::of(&snapshot).unwrap();
        assert!(second != first && second.bytes == 5);
        std::fs::File::options().write(true).open(&blob).unwrap().set_modified(UNIX_EPOCH).unwrap();
        assert_ne!(Stamp::of(&snapshot).unwrap(), second);
        assert!(matches!(Stamp::of(&folder.path().join("gone")), Err(RunError::Read { .. })));
    }
}
