//! The state that all requests share.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use crate::backend::Backend;
use crate::error::ApiError;
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
    /// Fetches addresses in conversations; `None` if fetching is off.
    pub(crate) fetcher: Option<Arc<Fetcher>>,
    /// Held while a session is looked up by name or opened, so that two requests do not open two
    /// sessions.
    pub(crate) naming: tokio::sync::Mutex<()>,
    pub(crate) keys: Keys,
    pub(crate) origins: Origins,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Sends events to external receivers.
    pub(crate) notifier: Arc<Notifier>,
    /// Limits how many pictures are decoded or encoded at the same time ([`ServerState::picture_turn`]).
    pub(crate) decoders: Semaphore,
    /// The bytes that the bodies of all requests may still take.
    pub(crate) bodies: Arc<Semaphore>,
    /// Limits the answers to conversations outside of sessions to one at a time.
    pub(crate) chats: Arc<Semaphore>,
    /// Wakes the senders of endless event streams, so that the server can shut down.
    pub(crate) farewell: watch::Sender<bool>,
}

/// The state in the form that axum passes to handlers.
pub(crate) type Shared = Arc<ServerState>;

impl ServerState {
    /// Waits until fewer pictures are decoded and encoded than there are cores. The turn ends when the permit is dropped.
    ///
    /// # Errors
    /// 429 with the message `busy` if no turn comes until `until`.
    pub(crate) async fn picture_turn(
        &self,
        until: Instant,
        busy: &str,
    ) -> Result<SemaphorePermit<'_>, ApiError> {
        let turn = tokio::time::timeout_at(until, self.decoders.acquire()).await;
        turn.map_err(|_| ApiError::too_many(busy))?.map_err(|_| ApiError::too_many(busy))
    }

    /// Ends the connections that would not end by themselves.
    pub(crate) fn say_farewell(&self) {
        self.farewell.send_replace(true);
    }
}
