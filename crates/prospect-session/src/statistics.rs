//! The statistics that close a trace.

use serde::{Deserialize, Serialize};

use crate::event::{Event, PaceEntry, PaceSummary};
use crate::histogram::Histogram;

/// The counts and times of a run. They take a fixed amount of memory, however long the run lasts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunStatistics {
    /// The number of frames that went in.
    pub frames: usize,
    /// The number of frames that never reached the model.
    pub frames_dropped: usize,
    /// The number of frames with exactly the pixels of the frame before, which were not encoded again.
    pub encodings_reused: usize,
    /// The number of replies.
    pub replies: usize,
    /// The number of overflows.
    pub overflows: usize,
    /// The largest length of the cache, in tokens.
    pub peak_cache_tokens: usize,
    frame_ms: Histogram,
    pace: Option<PaceStatistics>,
}

/// The delays of the frames of a live stream or of a file in real time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PaceStatistics {
    missed: usize,
    most_queued: usize,
    interruptions: usize,
    lag_ms: Histogram,
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

    pub(crate) fn pace(&mut self, entry: &PaceEntry) {
        let pace = self.pace.get_or_insert_default();
        pace.missed += usize::from(entry.missed);
        pace.most_queued = pace.most_queued.max(entry.queued);
        pace.lag_ms.add(entry.lag_ms);
    }

    pub(crate) fn interruption(&mut self) {
        self.pace.get_or_insert_default().interruptions += 1;
    }

    /// The delays of the frames; `None` for a file that is not in real time.
    pub fn pace_summary(&self) -> Option<PaceSummary> {
        self.pace.as_ref().map(|pace| PaceSummary {
            missed: pace.missed,
            most_queued: pace.most_queued,
            interruptions: pace.interruptions,
            p50_lag_ms: pace.lag_ms.percentile(0.50),
            p95_lag_ms: pace.lag_ms.percentile(0.95),
            p99_lag_ms: pace.lag_ms.percentile(0.99),
        })
    }

    /// The frame time in milliseconds below which a `share` (0 to 1) of the frames lies, within 1%; 0 if
    /// there are no frames.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        self.frame_ms.percentile(share)
    }

    /// The event that closes a trace. `peak_memory_bytes` is the most memory that the process ever used, in
    /// bytes, if it is known.
    pub fn finished(&self, peak_memory_bytes: Option<u64>) -> Event {
        Event::RunFinished {
            frames: self.frames,
            frames_dropped: self.frames_dropped,
            encodings_reused: self.encodings_reused,
            replies: self.replies,
            overflows: self.overflows,
            peak_cache_tokens: self.peak_cache_tokens,
            peak_memory_bytes,
            p50_ms: self.percentile_ms(0.50),
            p95_ms: self.percentile_ms(0.95),
            p99_ms: self.percentile_ms(0.99),
            pace: self.pace_summary(),
        }
    }
}
