//! What an engine has to serve, counted where it comes and goes, so that whoever asks waits for no pass.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What an engine has to serve at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineLoad {
    /// Streams that are open; one that came to its end has its cache until its handle is dropped.
    pub streams: usize,
    /// Bytes that their caches take.
    pub cache_bytes: u64,
    /// Bytes that all caches may take together; `None` is no limit.
    pub memory: Option<u64>,
    /// Frames of all streams that were pushed, and whose turn has not come.
    pub frames_waiting: usize,
}

/// Counts. Every number is exact by itself; two of them may be of different moments.
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
            cache_bytes: self.cache_bytes(),
            memory,
            frames_waiting: self.frames_waiting.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn cache_bytes(&self) -> u64 {
        self.cache_bytes.load(Ordering::Relaxed)
    }
}

/// A frame that waits, for as long as this is there.
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

/// A stream that is open with a cache of so many bytes, for as long as this is there.
pub(crate) struct Taken {
    meter: Arc<Meter>,
    bytes: u64,
}

impl Taken {
    pub(crate) fn counted_by(meter: &Arc<Meter>, bytes: u64) -> Self {
        meter.streams.fetch_add(1, Ordering::Relaxed);
        meter.cache_bytes.fetch_add(bytes, Ordering::Relaxed);
        Self { meter: Arc::clone(meter), bytes }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.meter.streams.fetch_sub(1, Ordering::Relaxed);
        self.meter.cache_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
