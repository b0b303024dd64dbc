//! The cost of a run.

use serde::{Deserialize, Serialize};

use prospect_session::Event;
use prospect_session::Histogram;

/// Memory, evictions and times of one run, or the sums over several runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The number of frames that went in.
    pub frames: usize,
    /// The largest length of the cache, in tokens.
    pub peak_cache_tokens: usize,
    /// The keys and values of that many tokens, in bytes.
    pub peak_cache_bytes: usize,
    /// The number of overflows.
    pub evictions: usize,
    /// The number of tokens that went through the decoder only because of an eviction: the texts that were
    /// put back and, under `recompute`, all kept tokens.
    pub tokens_reprefilled: usize,
    /// The number of summaries.
    pub summaries: usize,
    /// The time that the summaries took, in milliseconds.
    pub summary_ms: f64,
    /// The times of all frames, in milliseconds.
    pub frame_ms: Histogram,
}

impl Cost {
    /// The cost of the run with the trace `events`.
    pub fn of(events: &[Event]) -> Self {
        let mut cost = Self::default();
        let mut bytes_per_token = 0;
        for event in events {
            match event {
                Event::RunStarted { kv_bytes_per_token, .. } => bytes_per_token = *kv_bytes_per_token,
                Event::Frame { times, .. } => {
                    cost.frames += 1;
                    cost.frame_ms.add(times.total_ms);
                }
                Event::Overflow { tokens_after, kept, put_back, positions, .. } => {
                    cost.evictions += 1;
                    cost.tokens_reprefilled += match positions.as_str() {
                        "recompute" if !kept.is_empty() => *tokens_after,
                        _ => put_back.iter().map(|piece| piece.tokens).sum(),
                    };
                }
                Event::Summary { ms, .. } => {
                    cost.summaries += 1;
                    cost.summary_ms += ms;
                }
                Event::RunFinished { peak_cache_tokens, .. } => cost.peak_cache_tokens = *peak_cache_tokens,
                _ => {}
            }
        }
        cost.peak_cache_bytes = cost.peak_cache_tokens * bytes_per_token;
        cost
    }

    /// Adds another run. A peak becomes the larger of the two, everything else is summed.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.peak_cache_tokens = self.peak_cache_tokens.max(other.peak_cache_tokens);
        self.peak_cache_bytes = self.peak_cache_bytes.max(other.peak_cache_bytes);
        self.evictions += other.evictions;
        self.tokens_reprefilled += other.tokens_reprefilled;
        self.summaries += other.summaries;
        self.summary_ms += other.summary_ms;
        self.frame_ms.merge(&other.frame_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prospect_context::{OverflowTrigger, PositionPolicy, SegmentKind};
    use prospect_session::PutBack;

    fn overflow(positions: PositionPolicy, kept: Vec<[usize; 2]>, put_back: usize) -> Event {
        let tokens = kept.iter().map(|[start, end]| end - start).sum::<usize>() + put_back;
        Event::Overflow {
            time: 1.0,
            strategy: "s".into(),
            trigger: OverflowTrigger::NoRoom,
            incoming: 9,
            pending: 0,
            initial_tokens: None,
            tokens_before: 90,
            tokens_after: tokens,
            kept,
            put_back: vec![PutBack { kind: SegmentKind::System, tokens: put_back }],
            positions,
            positions_reset: false,
            memory_bytes: None,
            ms: 1.0,
        }
    }

    #[test]
    fn what_goes_through_the_decoder_again_depends_on_the_positions() {
        let again = |event: Event| Cost::of(&[event]).tokens_reprefilled;
        assert_eq!(again(overflow(PositionPolicy::Rerotate, vec![[0, 20]], 3)), 3);
        assert_eq!(again(overflow(PositionPolicy::Recompute, vec![[0, 20]], 3)), 23);
        assert_eq!(again(overflow(PositionPolicy::Recompute, vec![], 3)), 3);
    }

    #[test]
    fn peaks_do_not_add_up() {
        let mut cost = Cost { peak_cache_tokens: 5, evictions: 1, ..Cost::default() };
        cost.add(&Cost { peak_cache_tokens: 4, evictions: 2, ..Cost::default() });
        assert_eq!((cost.peak_cache_tokens, cost.evictions), (5, 3));
    }
}
