//! Buffers that are lent from call to call.

use std::sync::{Mutex, PoisonError};

/// Buffers that nobody uses at the moment: as many as calls ever ran at once.
#[derive(Debug)]
pub(super) struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> Spare<T> {
    /// Lends buffers as the last call left them.
    pub(super) fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut buffers = self.list().pop().unwrap_or_default();
        let result = work(&mut buffers);
        self.list().push(buffers);
        result
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        // A list of buffers is whole whatever happened to the thread that held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first `length` floats of a buffer that grows to the largest length it has seen.
pub(super) fn sized(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
