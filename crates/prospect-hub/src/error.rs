//! What can go wrong with a model on the hub.

use std::path::PathBuf;

/// A failure to find or to download a model; its `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A name that is none of a model.
    #[error("{text:?} is no model on the hub: expected OWNER/NAME or OWNER/NAME@REVISION")]
    Id {
        /// As it was written.
        text: String,
    },
    /// No folder that could hold a cache.
    #[error("there is no place for the hub's cache: expected HF_HOME, HF_HUB_CACHE or HOME to be set")]
    NoCache,
    /// Not in the cache, and the network is not to be used.
    #[error("{id} is not in {}, or not all of it, and HF_HUB_OFFLINE is set: expected it to have been downloaded before", cache.display())]
    Offline {
        /// The model.
        id: String,
        /// The cache folder.
        cache: PathBuf,
    },
    /// Not in the cache, in a program that cannot download.
    #[error("{id} is not in {}, or not all of it, and this build does not download: expected the feature `download`, or the model in the cache", cache.display())]
    NoDownload {
        /// The model.
        id: String,
        /// The cache folder.
        cache: PathBuf,
    },
    /// A hub that cannot be reached.
    #[error("cannot reach {url}: {message}: expected a network, or the model in the hub's cache")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system said.
        message: String,
    },
    /// A connection that ended before everything was there.
    #[error(
        "the connection to {url} ended at {received} of {expected} bytes: started again, the download goes on from there"
    )]
    Cut {
        /// The address.
        url: String,
        /// Bytes that are there.
        received: u64,
        /// Bytes that there should be.
        expected: u64,
    },
    /// A connection that brings next to nothing.
    #[error(
        "the connection to {url} brought {bytes} bytes in {seconds} s: expected at least {least}; started again, the download goes on from there"
    )]
    Slow {
        /// The address.
        url: String,
        /// Bytes that came.
        bytes: u64,
        /// In how many seconds.
        seconds: f64,
        /// Fewest bytes that should have come.
        least: u64,
    },
    /// A model that needs a permission.
    #[error(
        "{id}: the hub answers {status}{code}: expected a public model, or HF_TOKEN of an account that may read it ({url})"
    )]
    Unauthorised {
        /// The model.
        id: String,
        /// 401 or 403.
        status: u16,
        /// The hub's own word for it, in brackets.
        code: String,
        /// Where access is asked for.
        url: String,
    },
    /// A model, a revision or a file that is not there.
    #[error("{url}: the hub answers 404{code}: expected a model that is there, and a revision that it has")]
    NotFound {
        /// The address.
        url: String,
        /// The hub's own word for it, in brackets.
        code: String,
    },
    /// Too many requests.
    #[error("{url}: the hub takes no more requests (429){}: expected to be let in, HF_TOKEN raises the limit", wait(*seconds))]
    RateLimited {
        /// The address.
        url: String,
        /// How long it wants to be left alone.
        seconds: Option<u64>,
    },
    /// A failure of the hub.
    #[error("{url}: the hub fails ({status}): expected 200")]
    Server {
        /// The address.
        url: String,
        /// 500 and above.
        status: u16,
    },
    /// An answer that is none.
    #[error("{url}: {problem}: expected {expected}")]
    Answer {
        /// The address.
        url: String,
        /// What is wrong.
        problem: String,
        /// What a hub would answer.
        expected: &'static str,
    },
    /// A repository that holds something else.
    #[error("{id} has no {file}: expected a SmolVLM or Idefics3 checkpoint with safetensors")]
    MissingFile {
        /// The model.
        id: String,
        /// The file.
        file: &'static str,
    },
    /// A configuration of something else.
    #[error("{0}")]
    NotACheckpoint(Box<dyn std::error::Error + Send + Sync>),
    /// A file of another length than the hub's list says.
    #[error("{url}: {actual} bytes: expected {expected} by the hub's own list")]
    Size {
        /// The address.
        url: String,
        /// As sent.
        actual: u64,
        /// As listed.
        expected: u64,
    },
    /// A file of other contents than the hub's list says.
    #[error("{url}: the contents have the digest {actual}: expected {expected} by the hub's own list")]
    Digest {
        /// The address.
        url: String,
        /// As received.
        actual: String,
        /// As listed.
        expected: String,
    },
    /// A disk that is full.
    #[error("no space left for {}: {missing} bytes are missing; started again, the download goes on from there", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// Bytes that are still to come.
        missing: u64,
    },
    /// A cache that cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted; started again, the download goes on from there")]
    Interrupted,
}

fn wait(seconds: Option<u64>) -> String {
    seconds.map(|seconds| format!(" for {seconds} s")).unwrap_or_default()
}

impl HubError {
    /// Whether it may go away by itself.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Cut { .. }
                | Self::Slow { .. }
                | Self::RateLimited { .. }
                | Self::Server { .. }
        )
    }
}
