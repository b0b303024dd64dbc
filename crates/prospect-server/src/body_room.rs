//! What one request or message takes of the memory for all bodies.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bodies of all requests and messages take as much memory as they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bodies of other requests fill the memory: expected fewer at a time")]
pub(crate) struct NoRoom;

/// Bytes that were taken of a budget. They are given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct BodyRoom(Option<OwnedSemaphorePermit>);

impl BodyRoom {
    /// Takes room for further bytes.
    ///
    /// # Errors
    /// The budget has less.
    pub(crate) fn take(&mut self, budget: &Arc<Semaphore>, bytes: usize) -> Result<(), NoRoom> {
        let bytes = u32::try_from(bytes).map_err(|_| NoRoom)?;
        let more = Arc::clone(budget).try_acquire_many_owned(bytes).map_err(|_| NoRoom)?;
        match &mut self.0 {
            Some(all) => all.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}
