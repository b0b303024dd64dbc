//! The load of an engine. It is counted where streams and frames come and go, so reading it does not wait for
//! a pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::error::EngineError;

/// The load of an engine at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineLoad {
    /// The number of open streams. A stream that has come to its end counts until its handle is dropped,
    /// because it keeps its cache.
    pub streams: usize,
    /// The bytes of their caches, and of those that were reserved ([`Engine::reserve`](crate::Engine::reserve)).
    pub cache_bytes: u64,
    /// The bytes that all caches together may take; `None` means no limit.
    pub memory: Option<u64>,
    /// The number of frames of all streams that were pushed and wait for their turn.
    pub frames_waiting: usize,
}

/// The counters. Each number is exact, but two of them may be from different moments.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    streams: AtomicUsize,
    cache_bytes: AtomicU64,
    frames_waiting: AtomicUsize,
}

impl Meter {
    pub(crate) fn load(&self, memory: Option<u64>) -> EngineLoad {
        EngineLoad {
            streams: self.streams.load(Ordering::Relaxed),
            cache_bytes: self.cache_bytes.load(Ordering::Relaxed),
            memory,
            frames_waiting: self.frames_waiting.load(Ordering::Relaxed),
        }
    }
}

/// Counts one waiting frame until it is dropped.
pub(crate) struct Waiting(Arc<Meter>);

impl Waiting {
    pub(crate) fn counted_by(meter: &Arc<Meter>) -> Self {
        meter.frames_waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(meter))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.frames_waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes of a cache, counted until this is dropped.
pub struct ReservedBytes {
    meter: Arc<Meter>,
    bytes: u64,
}

impl ReservedBytes {
    /// Takes `needed` bytes of the `limit` for all caches.
    ///
    /// # Errors
    /// [`EngineError::NoMemory`].
    pub(crate) fn of(meter: &Arc<Meter>, needed: u64, limit: Option<u64>) -> Result<Self, EngineError> {
        let most = limit.unwrap_or(u64::MAX);
        let more = |taken: u64| taken.checked_add(needed).filter(|sum| *sum <= most);
        let taken = meter.cache_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        match taken {
            Ok(_) => Ok(Self { meter: Arc::clone(meter), bytes: needed }),
            Err(taken) => Err(EngineError::NoMemory { needed, taken, limit: most }),
        }
    }
}

impl Drop for ReservedBytes {
    fn drop(&mut self) {
        self.meter.cache_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Counts one open stream and the bytes of its cache until it is dropped.
pub(crate) struct Taken(ReservedBytes);

impl Taken {
    pub(crate) fn counted(bytes: ReservedBytes) -> Self {
        bytes.meter.streams.fetch_add(1, Ordering::Relaxed);
        Self(bytes)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.meter.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
