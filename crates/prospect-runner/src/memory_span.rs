//! What a budget means in time: how many seconds of the stream the cache holds, and how many remain
//! after an eviction.

use std::fmt;

use prospect_config::Settings;
use prospect_context::simulator::{Simulator, SimulatorOptions, StreamSegment, StreamStep};
use prospect_context::{Budget, DialogueState, SegmentKind};
use prospect_session::OverflowRule;

use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::strategies::Registry;

/// A stream without an overflow after this many frames counts as one that never overflows.
const ENOUGH: usize = 1_000_000;

/// How much of a silent stream a cache holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MemorySpan {
    /// Most tokens in the cache.
    max_seq_len: usize,
    /// Tokens of a frame, including the token of silence.
    frame_tokens: usize,
    /// Frames per second of stream time.
    fps: f64,
    /// Number of frames in the cache before the first eviction.
    frames: usize,
    /// Number of frames after the first eviction; `None` if nothing is evicted.
    kept_frames: Option<usize>,
}

impl MemorySpan {
    /// Simulates a stream with these settings, which must be fitted to the checkpoint. The model
    /// computes nothing.
    ///
    /// # Errors
    /// The strategy is unknown or makes an unlawful plan, or a text cannot be encoded.
    pub(crate) fn of(
        settings: &Settings,
        strategies: &Registry,
        checkpoint: &Checkpoint,
    ) -> Result<Self, RunError> {
        let costs = checkpoint.cache_costs(settings)?;
        let (max_seq_len, frame_tokens) = (settings.context.max_seq_len, costs.frame_tokens.max(1));
        let span = |frames, kept_frames| Self {
            max_seq_len,
            frame_tokens,
            fps: settings.stream.fps,
            frames,
            kept_frames,
        };
        let strategy = match strategies.overflow_rule(&settings.context)? {
            OverflowRule::Strategy(strategy) => strategy,
            OverflowRule::Stateless => return Ok(span(1, Some(0))),
            OverflowRule::Unlimited => return Ok(span(max_seq_len / frame_tokens, None)),
        };
        let budget = Budget {
            max_seq_len,
            reserved_seq_len: settings.context.reserved_seq_len,
            max_reply_tokens: settings.generation.max_new_tokens,
            max_summary_tokens: strategy.max_summary_tokens(&prospect_context::simulator::WordCounter),
        };
        let state = DialogueState::default();
        let options = SimulatorOptions { dialogue_state: Some(&state), ..SimulatorOptions::new(budget) };
        let mut simulator = Simulator::new(strategy.as_ref(), options);
        for index in 0..ENOUGH {
            let mut step = StreamStep::silent(index as f64 / settings.stream.fps, frame_tokens);
            // The frame's tokens already include the silence.
            step.waiting = None;
            if index == 0 {
                step.before.push(StreamSegment::new(SegmentKind::System, costs.fixed_tokens).pinned());
            }
            let frames = simulator.ledger().tokens().saturating_sub(costs.fixed_tokens) / frame_tokens;
            if let Some(eviction) = simulator.push(&step)? {
                let kept: usize = eviction.kept.iter().map(std::ops::Range::len).sum();
                // The opening of the stream is either kept with the frames or inserted again.
                let opening = if eviction.kept.first().is_some_and(|first| first.start == 0) {
                    costs.fixed_tokens
                } else {
                    0
                };
                return Ok(span(frames, Some(kept.saturating_sub(opening) / frame_tokens)));
            }
        }
        Ok(span(ENOUGH, None))
    }

    fn seconds(&self, frames: usize) -> String {
        let seconds = frames as f64 / self.fps;
        match seconds {
            ..10.0 => format!("{seconds:.1} s"),
            10.0..120.0 => format!("{seconds:.0} s"),
            _ => format!("{:.1} min", seconds / 60.0),
        }
    }
}

/// As in `4096 tokens hold 60 frames of 67, 30 s at 2 fps; an eviction leaves 3.5 s of frames`.
impl fmt::Display for MemorySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_seq_len, frame_tokens, fps, frames, kept_frames } = *self;
        let held = self.seconds(frames);
        write!(f, "{max_seq_len} tokens hold {frames} frames of {frame_tokens}, {held} at {fps} fps")?;
        match kept_frames {
            Some(0) => f.write_str("; an eviction leaves no frame"),
            Some(kept) => write!(f, "; an eviction leaves {} of frames", self.seconds(kept)),
            None => f.write_str("; nothing is evicted"),
        }
    }
}
