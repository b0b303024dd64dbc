//! Models of the Hugging Face hub by their id: found in the hub's cache, or downloaded into it.
//!
//! What is in the cache is taken from there, and nobody is asked: a run is the same with and without a network. `download`
//! asks the hub, and follows a branch that has moved on.

mod cache;
#[cfg(feature = "download")]
mod download;
mod environment;
mod error;
mod expansion;
mod id;
mod weight_files;

use std::path::{Path, PathBuf};

use cache::Repository;
pub use cache::Snapshot;
#[cfg(feature = "download")]
pub use download::Patience;
pub use environment::Environment;
pub use error::HubError;
pub use id::HubId;
pub use weight_files::WeightFiles;

/// Looked at before anything else of a model.
const CONFIG: &str = "config.json";

/// The hub and its cache.
pub struct Hub {
    environment: Environment,
    #[cfg(feature = "download")]
    patience: Patience,
}

impl Hub {
    /// A hub as an environment says.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            #[cfg(feature = "download")]
            patience: Patience::default(),
        }
    }

    /// The same hub, asked again more or less often.
    #[cfg(feature = "download")]
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The hub as the process's variables say.
    ///
    /// # Errors
    /// [`HubError::NoCache`].
    pub fn of_this_process() -> Result<Self, HubError> {
        Ok(Self::new(Environment::of_this_process()?))
    }

    /// A model's folder in the cache, downloaded first if not all of it is there.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub fn find(&self, id: &HubId) -> Result<Snapshot, HubError> {
        match Repository::new(&self.environment.cache, id).complete_snapshot(&id.revision) {
            Some(snapshot) => Ok(snapshot),
            None => self.download(id),
        }
    }

    /// A folder with a model's configuration, and what is known of its weights, which are not downloaded for this. They are
    /// unknown where the hub is not asked.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub fn describe(&self, id: &HubId) -> Result<(PathBuf, Option<WeightFiles>), HubError> {
        let repository = Repository::new(&self.environment.cache, id);
        if let Some(Snapshot { folder, .. }) = repository.complete_snapshot(&id.revision) {
            let weights = WeightFiles::in_folder(&folder);
            return Ok((folder, weights));
        }
        #[cfg(feature = "download")]
        if !self.environment.offline {
            return download::describe(&self.environment, self.patience, id);
        }
        match repository.snapshot(&id.revision).filter(|snapshot| snapshot.folder.join(CONFIG).is_file()) {
            Some(snapshot) => Ok((snapshot.folder, None)),
            // Says why not.
            None => self.download(id).map(|snapshot| (snapshot.folder, None)),
        }
    }

    /// Downloads what is missing of a model: its configuration first, the weights last.
    ///
    /// # Errors
    /// Any [`HubError`]. What was received stays in the cache, and the next call goes on from there.
    #[cfg(feature = "download")]
    pub fn download(&self, id: &HubId) -> Result<Snapshot, HubError> {
        if self.environment.offline {
            let complete = Repository::new(&self.environment.cache, id).complete_snapshot(&id.revision);
            return complete.ok_or_else(|| HubError::Offline {
                id: id.to_string(),
                cache: self.environment.cache.clone(),
            });
        }
        download::download(&self.environment, self.patience, id)
    }

    /// What a build without downloads has to say.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "download"))]
    pub fn download(&self, id: &HubId) -> Result<Snapshot, HubError> {
        let (id, cache) = (id.to_string(), self.environment.cache.clone());
        Err(match self.environment.offline {
            true => HubError::Offline { id, cache },
            false => HubError::NoDownload { id, cache },
        })
    }
}

/// What `name` stands for without a network: a folder, or any snapshot of a hub id in the cache, which need not be a model
/// of ours. `None` if it is neither.
pub fn resolve(name: &str) -> Option<PathBuf> {
    let folder = Path::new(name);
    if folder.is_dir() {
        return Some(folder.to_owned());
    }
    let id: HubId = name.parse().ok()?;
    let environment = Environment::of_this_process().ok()?;
    Some(Repository::new(&environment.cache, &id).snapshot(&id.revision)?.folder)
}
