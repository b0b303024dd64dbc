//! What every request finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, watch};

use crate::backend::Backend;
use crate::fetch::Fetcher;
use crate::guard::{Keys, Limits, Origins};
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::session::SessionTable;
use crate::sources::Sources;

/// Shared by all connections.
pub(crate) struct ServerState {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) sessions: SessionTable,
    pub(crate) sources: Arc<Sources>,
    /// Fetches what a conversation names; none where nothing is fetched.
    pub(crate) fetcher: Option<Arc<Fetcher>>,
    /// Held while the session of a name is looked for and opened, so that two requests do not open two.
    pub(crate) naming: tokio::sync::Mutex<()>,
    pub(crate) keys: Keys,
    pub(crate) origins: Origins,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Whoever outside is told of what happens.
    pub(crate) notifier: Arc<Notifier>,
    /// Whether the server is about to end: nothing new is begun then.
    pub(crate) ending: AtomicBool,
    /// So many pictures are decoded at once.
    pub(crate) decoders: Semaphore,
    /// Conversations are answered one at a time, beside the streams.
    pub(crate) chats: Arc<Semaphore>,
    /// Wakes whoever sends events without end, so that the server can end.
    pub(crate) farewell: watch::Sender<bool>,
}

/// As axum hands it to handlers.
pub(crate) type Shared = Arc<ServerState>;

impl ServerState {
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Lets nothing new begin.
    pub(crate) fn begin_to_end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Ends what would not end by itself.
    pub(crate) fn say_farewell(&self) {
        self.farewell.send_replace(true);
    }
}
