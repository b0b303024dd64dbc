//! A slot in the limit of connections.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

/// Held as long as a connection is open. A WebSocket keeps it too, since the connection has then ended
/// for HTTP.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Place {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Arc::new(permit) }
    }
}
