//! Buffers that are reused from call to call.

use std::sync::{Mutex, PoisonError};

/// Buffers that no call uses at the moment. There are as many as calls ever ran at the same time.
#[derive(Debug)]
pub(super) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Spare<T> {
    /// Calls `work` with buffers in the state in which the last call left them.
    pub(super) fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut buffers = self.list().pop().unwrap_or_default();
        let result = work(&mut buffers);
        self.list().push(buffers);
        result
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        // A poisoned lock is harmless: the list has no inconsistent state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first `length` floats of a buffer, which grows to the largest length so far.
pub(super) fn sized(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
