//! A mutex that is never poisoned.

use std::sync::{MutexGuard, PoisonError};

/// A mutex that can be locked after a thread has panicked with it. No code of this crate that holds one
/// can panic halfway through a change.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
