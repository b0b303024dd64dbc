//! What a budget means in time: how many seconds of the stream the cache holds, and how many remain
//! after an eviction.

use std::fmt;

use prospect_context::simulator::{Simulator, SimulatorError, SimulatorOptions, StreamSegment, StreamStep};
use prospect_context::{DialogueState, SegmentKind};
use prospect_session::OverflowRule;

use crate::stream_costs::SilentStream;

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
    /// Of a stream under this rule. Nothing is computed by the model: a summary is taken to be as long as it may be.
    ///
    /// # Errors
    /// A strategy that makes no lawful plan.
    pub(crate) fn of(stream: &SilentStream, rule: &OverflowRule) -> Result<Self, SimulatorError> {
        let SilentStream { budget, user_turn, opening_tokens, frame_tokens, fps } = *stream;
        let (max_seq_len, frame_tokens) = (budget.max_seq_len, frame_tokens.max(1));
        let span = |frames, kept_frames| Self { max_seq_len, frame_tokens, fps, frames, kept_frames };
        let strategy = match rule {
            OverflowRule::Strategy(strategy) => strategy.as_ref(),
            OverflowRule::Stateless => return Ok(span(1, Some(0))),
            OverflowRule::Unlimited => {
                let free = max_seq_len.saturating_sub(opening_tokens);
                return Ok(span(free / frame_tokens, None));
            }
        };
        let state = DialogueState::default();
        let options = SimulatorOptions {
            dialogue_state: Some(&state),
            summary_tokens: usize::MAX,
            user_turn,
            ..SimulatorOptions::new(budget)
        };
        let mut simulator = Simulator::with_exact_budget(strategy, options);
        for index in 0..ENOUGH {
            let mut step = StreamStep::silent(index as f64 / fps, frame_tokens);
            // Its silence is among the frame's tokens.
            step.waiting = None;
            if index == 0 {
                step.before.push(StreamSegment::new(SegmentKind::System, opening_tokens).pinned());
                let opens = user_turn.map(|turn| StreamSegment::new(SegmentKind::User, turn.opening));
                step.before.extend(opens);
            }
            if let Some(eviction) = simulator.push(&step)? {
                let kept = eviction.kept_tokens.of(SegmentKind::Frame) / frame_tokens;
                return Ok(span(index, Some(kept)));
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
        let plural = if frames == 1 { "" } else { "s" };
        write!(f, "{max_seq_len} tokens hold {frames} frame{plural} of {frame_tokens}, {held} at {fps} fps")?;
        match kept_frames {
            Some(0) => f.write_str("; an eviction leaves no frame"),
            Some(kept) => write!(f, "; an eviction leaves {} of frames", self.seconds(kept)),
            None => f.write_str("; nothing is evicted"),
        }
    }
}
