//! A signal that ends the wait for a frame.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A signal to stop. It is given once, and all its clones receive it.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<(Mutex<bool>, Condvar)>, Option<Arc<AtomicBool>>);

/// The interval at which a wait checks the flag.
const POLL: Duration = Duration::from_millis(50);

impl StopSignal {
    /// A signal that also counts as given when `flag` is set. A handler of operating system signals can set
    /// it.
    pub fn hearing(flag: Arc<AtomicBool>) -> Self {
        Self(Arc::default(), Some(flag))
    }

    /// Gives the signal.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether the signal was given.
    pub fn is_stopped(&self) -> bool {
        self.hears_flag() || *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hears_flag(&self) -> bool {
        self.1.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Waits until a moment or until the signal, whichever comes first.
    pub fn wait_until(&self, until: Instant) {
        let mut stopped = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stopped && !self.hears_flag() {
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return;
            }
            stopped =
                self.0.1.wait_timeout(stopped, left.min(POLL)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
