//! A place among the connections.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

/// Held for as long as a connection is open, and by a WebSocket behind it: the connection is over for HTTP then.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Place {
    pub(crate) fn new(permit: OwnedSemaphorePermit) -> Self {
        Self { _permit: Arc::new(permit) }
    }
}
