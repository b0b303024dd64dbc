//! A hub: its cache first, then the network.

use std::path::{Path, PathBuf};
#[cfg(feature = "download")]
use std::sync::{Arc, atomic::AtomicBool};

use crate::cache::{CONFIG, Repository, Snapshot};
#[cfg(feature = "download")]
use crate::download::{self, CheckConfig, Download, Patience};
use crate::environment::Environment;
use crate::error::HubError;
use crate::id::HubId;
#[cfg(feature = "download")]
use crate::interrupt::Interrupt;
use crate::weight_files::WeightFiles;

/// The hub and its cache.
pub struct Hub {
    environment: Environment,
    #[cfg(feature = "download")]
    how: Download,
}

impl Hub {
    /// A hub as an environment says.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            #[cfg(feature = "download")]
            how: Download::default(),
        }
    }

    /// The same hub, asked again more or less often.
    #[cfg(feature = "download")]
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.how.patience = patience;
        self
    }

    /// The same hub, which stops once `interrupt` is set.
    #[cfg(feature = "download")]
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: Arc<AtomicBool>) -> Self {
        self.how.interrupt = Interrupt(interrupt);
        self
    }

    /// The same hub, which draws progress bars on a terminal or does not.
    #[cfg(feature = "download")]
    #[must_use]
    pub fn with_progress(mut self, shows_progress: bool) -> Self {
        self.how.shows_progress = shows_progress;
        self
    }

    /// The same hub, of which only models are downloaded whose configuration stands this check.
    #[cfg(feature = "download")]
    #[must_use]
    pub fn with_config_check(mut self, check: CheckConfig) -> Self {
        self.how.check_config = check;
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
            return download::describe(&self.environment, &self.how, id);
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
        download::download(&self.environment, &self.how, id)
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
