//! The hub's cache on disk, as its own libraries lay it out:
//!
//! ```text
//! models--owner--name/blobs/DIGEST              contents, by their digest
//!                     snapshots/COMMIT/FILE     links to blobs
//!                     refs/REVISION             the commit that a branch or a tag pointed at
//! .locks/models--owner--name/DIGEST.lock        held by whoever downloads that blob
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::id::{HubId, is_plain};
use prospect_foreign::one_line;

/// Looked at before anything else of a model.
pub(super) const CONFIG: &str = "config.json";
/// Name of the weights in one file.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// Name of the list of weights in several files.
pub(super) const WEIGHTS_INDEX: &str = "model.safetensors.index.json";

/// A revision of a model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The checkpoint folder.
    pub folder: PathBuf,
    /// The commit.
    pub commit: String,
}

/// One model in the cache.
pub(super) struct Repository {
    folder: PathBuf,
    #[cfg(feature = "download")]
    locks: PathBuf,
}

impl Repository {
    pub(super) fn new(cache: &Path, id: &HubId) -> Self {
        let name = id.folder_name();
        Self {
            folder: cache.join(&name),
            #[cfg(feature = "download")]
            locks: cache.join(".locks").join(name),
        }
    }

    /// The snapshot of a branch, a tag or a commit, if any of it is there.
    pub(super) fn snapshot(&self, revision: &str) -> Option<Snapshot> {
        let commit = match fs::read_to_string(self.folder.join("refs").join(revision)) {
            Ok(commit) => commit.trim().to_owned(),
            Err(_) => revision.to_owned(),
        };
        let folder = self.snapshot_folder(&commit);
        (is_plain(&commit) && folder.is_dir()).then_some(Snapshot { folder, commit })
    }

    /// The snapshot, if everything is there that a run reads.
    pub(super) fn complete_snapshot(&self, revision: &str) -> Option<Snapshot> {
        self.snapshot(revision).filter(|snapshot| is_complete(&snapshot.folder))
    }

    pub(super) fn snapshot_folder(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }
}

#[cfg(feature = "download")]
impl Repository {
    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs").join(digest)
    }

    pub(super) fn lock(&self, digest: &str) -> PathBuf {
        self.locks.join(format!("{digest}.lock"))
    }

    /// Makes a blob a file of a snapshot.
    pub(super) fn link(&self, commit: &str, file: &str, digest: &str) -> std::io::Result<()> {
        let folder = self.snapshot_folder(commit);
        fs::create_dir_all(&folder)?;
        let link = folder.join(file);
        if link.exists() {
            return Ok(());
        }
        // Made beside and moved over what may be there, a link that leads nowhere or that of somebody else at the same time.
        let new = beside(&link);
        make_link(&self.blob(digest), &Path::new("../../blobs").join(digest), &new)?;
        fs::rename(&new, &link)
    }

    /// Notes which commit a branch or a tag points at.
    pub(super) fn write_ref(&self, revision: &str, commit: &str) -> std::io::Result<()> {
        let path = self.folder.join("refs").join(revision);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // In one step, so that nobody reads half of it.
        let new = beside(&path);
        fs::write(&new, commit)?;
        fs::rename(&new, path)
    }
}

/// A name in the same folder that nobody else has, on whatever machine.
#[cfg(feature = "download")]
pub(super) fn beside(path: &Path) -> PathBuf {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // Two processes of one number on two machines have different keys, and so have two calls of one process.
    let random = RandomState::new().build_hasher().finish();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!(".{name}.{}.{random:016x}", std::process::id()))
}

#[cfg(all(feature = "download", unix))]
fn make_link(_blob: &Path, relative: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, link)
}

/// Where links want a permission of their own, the file has two names.
#[cfg(all(feature = "download", not(unix)))]
fn make_link(blob: &Path, _relative: &Path, link: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, link)
}

/// The parts of a list of weights that matter here.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The files that a list of weights names.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, String> {
    // A named pipe would wait for somebody who writes into it.
    if index.exists() && !index.is_file() {
        return Err("it is no file".to_owned());
    }
    let text = fs::read_to_string(index).map_err(|error| error.to_string())?;
    let index: Index = serde_json::from_str(&text).map_err(one_line)?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    match names.iter().find(|name| !is_plain(name)) {
        Some(name) => Err(format!("{name:?} is no file beside it")),
        None => Ok(names),
    }
}

/// Whether a folder holds what a run reads; what comes after that (a wrong key, a missing tensor) is for the loader to say.
fn is_complete(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let index = folder.join(WEIGHTS_INDEX);
    let weights = has(WEIGHTS) || shards(&index).is_ok_and(|names| names.iter().all(|name| has(name)));
    let processor = has("processor_config.json") || has("preprocessor_config.json");
    has(CONFIG) && has("tokenizer.json") && processor && weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn repository(cache: &Path) -> Repository {
        Repository::new(cache, &"owner/Model-1.5".parse().unwrap())
    }

    #[test]
    fn a_branch_is_the_snapshot_that_it_pointed_at() {
        let cache = tempfile::tempdir().unwrap();
        let repository = repository(cache.path());
        let folder = cache.path().join("models--owner--Model-1.5/snapshots").join(COMMIT);
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(repository.snapshot("main"), None);
        let found = Some(Snapshot { folder, commit: COMMIT.to_owned() });
        assert_eq!(repository.snapshot(COMMIT), found);
        let refs = cache.path().join("models--owner--Model-1.5/refs");
        fs::create_dir_all(&refs).unwrap();
        fs::write(refs.join("main"), format!("{COMMIT}\n")).unwrap();
        assert_eq!(repository.snapshot("main"), found);
        fs::write(refs.join("main"), "../../..").unwrap();
        assert_eq!(repository.snapshot("main"), None);
    }

    #[test]
    fn a_snapshot_is_complete_when_all_of_its_weights_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for name in ["config.json", "tokenizer.json", "processor_config.json"] {
            assert!(!is_complete(folder.path()));
            write(name, "{}");
        }
        assert!(!is_complete(folder.path()));
        write(WEIGHTS_INDEX, r#"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#);
        write("one.safetensors", "");
        assert!(!is_complete(folder.path()));
        write("two.safetensors", "");
        assert!(is_complete(folder.path()));
        write(WEIGHTS_INDEX, r#"{"weight_map": {"a": "../../one.safetensors"}}"#);
        assert!(!is_complete(folder.path()));
        write(WEIGHTS, "");
        assert!(is_complete(folder.path()));
    }
}
