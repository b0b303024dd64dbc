//! The figures that close a trace.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::trace::Event;

/// Counts and times of a run, in a fixed amount of memory however long it lasts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStatistics {
    /// Frames that went in.
    pub frames: usize,
    /// Frames that never reached the model.
    pub frames_dropped: usize,
    /// Replies given.
    pub replies: usize,
    /// Overflows handled.
    pub overflows: usize,
    /// Largest cache length seen, in tokens.
    pub peak_cache_tokens: usize,
    frame_ms: Histogram,
}

impl RunStatistics {
    pub(crate) fn frame(&mut self, total_ms: f64, cache_tokens: usize) {
        self.frames += 1;
        self.frame_ms.add(total_ms);
        self.cache(cache_tokens);
    }

    pub(crate) fn cache(&mut self, cache_tokens: usize) {
        self.peak_cache_tokens = self.peak_cache_tokens.max(cache_tokens);
    }

    /// The frame time in milliseconds below which `share` (0 to 1) of the frames lie, within 1%; 0 without frames.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        self.frame_ms.percentile(share)
    }

    pub(crate) fn finished(&self) -> Event {
        Event::RunFinished {
            frames: self.frames,
            frames_dropped: self.frames_dropped,
            replies: self.replies,
            overflows: self.overflows,
            peak_cache_tokens: self.peak_cache_tokens,
            peak_memory_bytes: memory_bytes("VmHWM"),
            p50_ms: self.percentile_ms(0.50),
            p95_ms: self.percentile_ms(0.95),
            p99_ms: self.percentile_ms(0.99),
        }
    }
}

/// Resident memory of this process now, where the system tells.
pub(super) fn resident_memory_bytes() -> Option<u64> {
    memory_bytes("VmRSS")
}

/// One line of Linux' `/proc/self/status`, in bytes.
fn memory_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
