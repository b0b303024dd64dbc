//! How far a run has come.

use prospect_source::Behind;
use serde::{Deserialize, Serialize};

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Number of items that the source has given: frames, and frames that could not be read.
    pub items: usize,
    /// Number of the next frame.
    pub next_index: usize,
    /// Stream time of the last frame, including dropped ones.
    pub last: Option<f64>,
    /// Stream time of the first and the last frame.
    pub span: Option<(f64, f64)>,
}

impl Progress {
    /// Whether every item of the source was a frame. The frames then fill the time between the first
    /// and the last one.
    pub(super) fn is_whole(&self, fps: f64) -> bool {
        let frames = |(first, last): (f64, f64)| ((last - first) * fps).round() as usize + 1;
        self.span.map_or(0, frames) == self.items
    }

    /// The position from which the stream continues.
    pub(super) fn behind(&self, fps: f64) -> Behind {
        Behind { index: self.next_index, time: self.last.map_or(0.0, |last| last + 1.0 / fps) }
    }
}
