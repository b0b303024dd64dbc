//! The word to whoever waits for a frame that nobody wants it any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Given once; heard by everyone who has a clone of it.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<(Mutex<bool>, Condvar)>, Option<Arc<AtomicBool>>);

/// How often a wait looks at a flag that nobody tells it of.
const POLL: Duration = Duration::from_millis(50);

impl StopSignal {
    /// One that is given as well when `flag` is set, which a handler of signals can do.
    pub fn hearing(flag: Arc<AtomicBool>) -> Self {
        Self(Arc::default(), Some(flag))
    }

    /// Gives it.
    pub fn stop(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Whether it was given.
    pub fn is_stopped(&self) -> bool {
        self.hears_flag() || *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hears_flag(&self) -> bool {
        self.1.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// Waits until a moment or the signal, whichever is first.
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
