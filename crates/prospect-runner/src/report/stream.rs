//! The data of the plots and pictures of a run, from its trace.

use prospect_session::{Event, PaceEntry};

/// The data of the plots.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) frames: Vec<FramePoint>,
    /// Most tokens in the cache.
    pub(super) max_seq_len: Option<usize>,
    /// Stream time of each overflow, and the cache length before and after.
    pub(super) overflows: Vec<(f64, usize, usize)>,
    /// For live streams: the pace of each frame.
    pub(super) pace: Vec<PacePoint>,
    /// Stream times of the dropped frames.
    pub(super) dropped: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct PacePoint {
    pub(super) time: f64,
    pub(super) lag_ms: f64,
    pub(super) queued: usize,
    pub(super) missed: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct FramePoint {
    pub(super) time: f64,
    pub(super) cache_tokens: usize,
    pub(super) ms: f64,
}

impl Stream {
    pub(super) fn of(events: &[Event]) -> Self {
        let (mut stream, mut bounded) = (Self::default(), false);
        for event in events {
            match event {
                Event::RunStarted { strategy, .. } => bounded = strategy != "unlimited",
                Event::Budget { max_seq_len, .. } => stream.max_seq_len = bounded.then_some(*max_seq_len),
                Event::FrameDropped { time, .. } => stream.dropped.extend(*time),
                Event::Frame { time, cache_tokens, times, pace, .. } => {
                    stream.pace.extend(pace.map(|PaceEntry { lag_ms, queued, missed, .. }| PacePoint {
                        time: *time,
                        lag_ms,
                        queued,
                        missed,
                    }));
                    let (time, cache_tokens, ms) = (*time, *cache_tokens, times.total_ms);
                    stream.frames.push(FramePoint { time, cache_tokens, ms });
                }
                Event::Overflow { time, tokens_before, tokens_after, .. } => {
                    stream.overflows.push((*time, *tokens_before, *tokens_after));
                }
                _ => {}
            }
        }
        stream
    }

    /// Whether the run used a cache. The run of the replayed references does not.
    pub(super) fn has_cache(&self) -> bool {
        self.frames.iter().any(|frame| frame.cache_tokens > 0)
    }
}

/// The frame after which a reply was given.
pub(super) fn frame_of_reply(event: &Event) -> Option<usize> {
    match event {
        Event::Reply { frame, .. } => Some(*frame),
        _ => None,
    }
}
