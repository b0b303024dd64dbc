//! All cameras by name: the operator's, which everybody may watch, and those that callers have added
//! for themselves.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::guard::Caller;
use crate::mutex::Mutex;
use crate::private_file::write_private;

/// File of added cameras, in the server's folder.
const FILE: &str = "cameras.json";
/// Most added cameras.
const MOST_ADDED: usize = 1024;

/// Address of a camera, and whether it is the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) source: String,
    pub(super) is_operators: bool,
}

/// Why a camera cannot be added or removed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The caller already sees a camera of this name.
    There,
    /// The camera belongs to the operator.
    Operators,
    /// There are too many cameras.
    Many,
    /// The camera does not exist.
    Unknown,
    /// The file of added cameras cannot be written.
    Unwritten(io::Error),
}

/// An added camera in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Added {
    owner: Caller,
    name: String,
    source: String,
}

type AddedCameras = BTreeMap<(Caller, String), String>;

/// Cameras by name and owner.
pub(super) struct Cameras {
    operators: BTreeMap<String, String>,
    added: Mutex<AddedCameras>,
    folder: PathBuf,
}

impl Cameras {
    /// The operator's cameras, and the cameras that were added to an earlier server.
    ///
    /// # Errors
    /// The file of added cameras cannot be read.
    pub(super) fn new(operators: BTreeMap<String, String>, folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let added: Vec<Added> = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let added = added.into_iter().map(|Added { owner, name, source }| ((owner, name), source)).collect();
        Ok(Self { operators, added: Mutex::new(added), folder: folder.to_owned() })
    }

    /// The cameras that a caller may watch, by name. If two have the same name, the operator's is used.
    pub(super) fn of(&self, caller: Caller) -> BTreeMap<String, Found> {
        let added = self.added.lock();
        let own = added.iter().filter(|((owner, _), _)| *owner == caller);
        let own = own.map(|((_, name), source)| (name, source, false));
        let all = own.chain(self.operators.iter().map(|(name, source)| (name, source, true)));
        all.map(|(name, source, is_operators)| (name.clone(), Found { source: source.clone(), is_operators }))
            .collect()
    }

    pub(super) fn add(&self, caller: Caller, name: &str, source: &str) -> Result<(), Failure> {
        let mut added = self.added.lock();
        let key = (caller, name.to_owned());
        if self.operators.contains_key(name) || added.contains_key(&key) {
            return Err(Failure::There);
        }
        if added.len() >= MOST_ADDED {
            return Err(Failure::Many);
        }
        added.insert(key.clone(), source.to_owned());
        self.write(&added).map_err(|error| {
            added.remove(&key);
            Failure::Unwritten(error)
        })
    }

    pub(super) fn remove(&self, caller: Caller, name: &str) -> Result<(), Failure> {
        if self.operators.contains_key(name) {
            return Err(Failure::Operators);
        }
        let mut added = self.added.lock();
        let key = (caller, name.to_owned());
        let source = added.remove(&key).ok_or(Failure::Unknown)?;
        self.write(&added).map_err(|error| {
            added.insert(key, source);
            Failure::Unwritten(error)
        })
    }

    fn write(&self, added: &AddedCameras) -> io::Result<()> {
        let one = |((owner, name), source): (&(Caller, String), &String)| Added {
            owner: *owner,
            name: name.clone(),
            source: source.clone(),
        };
        let all: Vec<Added> = added.iter().map(one).collect();
        write_private(&self.folder, FILE, &serde_json::to_vec(&all)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_cameras_are_their_callers_own_and_outlive_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let operators = || BTreeMap::from([("door".to_owned(), "/dev/video0".to_owned())]);
        let cameras = Cameras::new(operators(), folder.path()).unwrap();
        let (one, other) = (Caller::ANYBODY, Caller::SERVER);
        cameras.add(one, "yard", "rtsp://u:p@yard/1").unwrap();
        cameras.add(other, "yard", "rtsp://other/1").unwrap();
        assert!(matches!(cameras.add(one, "yard", "x"), Err(Failure::There)));
        assert!(matches!(cameras.add(one, "door", "x"), Err(Failure::There)));
        assert!(matches!(cameras.remove(one, "door"), Err(Failure::Operators)));
        assert!(matches!(cameras.remove(one, "gate"), Err(Failure::Unknown)));
        let next = Cameras::new(operators(), folder.path()).unwrap();
        assert_eq!(next.of(one)["yard"].source, "rtsp://u:p@yard/1");
        assert_eq!(next.of(other)["yard"].source, "rtsp://other/1");
        next.remove(one, "yard").unwrap();
        assert_eq!(next.of(one).into_keys().collect::<Vec<_>>(), ["door"]);
        assert_eq!(Cameras::new(operators(), folder.path()).unwrap().of(one).len(), 1);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Cameras::new(operators(), folder.path()).is_err());
    }
}
