//! The figures that close a trace.

use crate::trace::Event;

/// Counts and times of a run.
#[derive(Debug, Clone, Default, PartialEq)]
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
    frame_ms: Vec<f32>,
}

impl RunStatistics {
    pub(crate) fn frame(&mut self, total_ms: f64, cache_tokens: usize) {
        self.frames += 1;
        self.frame_ms.push(total_ms as f32);
        self.cache(cache_tokens);
    }

    pub(crate) fn cache(&mut self, cache_tokens: usize) {
        self.peak_cache_tokens = self.peak_cache_tokens.max(cache_tokens);
    }

    /// The frame time in milliseconds below which `share` (0 to 1) of the frames lie; 0 without frames.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let mut sorted = self.frame_ms.clone();
        sorted.sort_by(f32::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).map_or(0.0, |&ms| f64::from(ms))
    }

    pub(crate) fn finished(&self) -> Event {
        Event::RunFinished {
            frames: self.frames,
            replies: self.replies,
            overflows: self.overflows,
            peak_cache_tokens: self.peak_cache_tokens,
            peak_memory_bytes: peak_memory_bytes(),
            p50_ms: self.percentile_ms(0.50),
            p95_ms: self.percentile_ms(0.95),
            p99_ms: self.percentile_ms(0.99),
        }
    }
}

/// Peak resident memory of this process, where the system tells (Linux: `VmHWM`).
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks_of_the_sorted_times() {
        let mut statistics = RunStatistics::default();
        for ms in (1..=100).rev() {
            statistics.frame(f64::from(ms), 0);
        }
        assert_eq!(statistics.percentile_ms(0.50), 50.0);
        assert_eq!(statistics.percentile_ms(0.99), 99.0);
        assert_eq!(RunStatistics::default().percentile_ms(0.5), 0.0);
    }
}
