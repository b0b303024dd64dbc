//! The word that nobody wants a download any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::HubError;

/// How often a wait looks whether it was interrupted.
pub(crate) const POLL: Duration = Duration::from_millis(50);

/// A flag that a handler of signals may set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(pub(crate) Arc<AtomicBool>);

impl Interrupt {
    /// # Errors
    /// [`HubError::Interrupted`] once it was set.
    pub(crate) fn check(&self) -> Result<(), HubError> {
        if self.0.load(Ordering::Relaxed) { Err(HubError::Interrupted) } else { Ok(()) }
    }

    /// Sleeps, and is woken up by it.
    ///
    /// # Errors
    /// [`HubError::Interrupted`].
    pub(crate) fn sleep(&self, duration: Duration) -> Result<(), HubError> {
        let end = Instant::now() + duration;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL));
        }
    }
}
