//! What a result was made from, so that a result of something else is not taken for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::dataset::Video;
use super::variant::Variant;
use crate::error::RunError;
use crate::{checkpoint, hub};

/// Everything that a run depends on. Files by name, length and time of change: reading gigabytes of weights to know that
/// they are the same would take longer than a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The resolved settings, but for where the output goes.
    config: serde_json::Value,
    /// The checkpoint folder.
    model: Stamp,
    /// The sentence encoder's folder.
    similarity: Stamp,
    /// The video.
    video: Stamp,
    /// Its annotations.
    annotations: Stamp,
    /// This program.
    program: Stamp,
}

/// A file, or all files of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    /// Of every file's name, length and time of change.
    digest: u64,
}

/// What all runs of a strategy depend on, looked at once.
pub(super) struct SharedInputs {
    config: serde_json::Value,
    model: Stamp,
    similarity: Stamp,
    program: Stamp,
}

impl SharedInputs {
    pub(super) fn of(variant: &Variant) -> Result<Self, RunError> {
        let settings = &variant.settings;
        let mut config = serde_json::to_value(settings).unwrap_or_default();
        if let Some(config) = config.as_object_mut() {
            config.remove("output");
        }
        let model = match variant.is_sanity() {
            true => None,
            false => Some(checkpoint::find(settings.model.path.as_deref())?.folder),
        };
        let similarity = settings.evaluation.similarity.as_deref().and_then(hub::resolve);
        let program = std::env::current_exe().ok();
        let stamp = |path: Option<&Path>| path.map_or(Ok(Stamp::default()), Stamp::of);
        Ok(Self {
            config,
            model: stamp(model.as_deref())?,
            similarity: stamp(similarity.as_deref())?,
            program: stamp(program.as_deref())?,
        })
    }
}

impl Inputs {
    /// The inputs of one run.
    ///
    /// # Errors
    /// A file that cannot be looked at.
    pub(super) fn of(shared: &SharedInputs, video: &Video) -> Result<Self, RunError> {
        Ok(Self {
            config: shared.config.clone(),
            model: shared.model,
            similarity: shared.similarity,
            video: Stamp::of(&video.source)?,
            annotations: Stamp::of(&video.annotations)?,
            program: shared.program,
        })
    }

    /// Whether two runs of one strategy can stand in one table: the same settings and, as far as lengths tell, the same
    /// checkpoint and encoder. Times of change say nothing here, for every machine may have its own copy.
    pub fn is_same_strategy(&self, other: &Self) -> bool {
        self.config == other.config
            && self.model.bytes == other.model.bytes
            && self.similarity.bytes == other.similarity.bytes
    }

    /// Whether two runs saw, as far as lengths tell, the same video and annotations.
    pub fn is_same_video(&self, other: &Self) -> bool {
        self.video.bytes == other.video.bytes && self.annotations.bytes == other.annotations.bytes
    }
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, RunError> {
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
