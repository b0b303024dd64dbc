//! How far a run has come.

use prospect_source::Behind;
use serde::{Deserialize, Serialize};

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What the source has given: frames, and such as could not be had.
    pub items: usize,
    /// The number of the next frame.
    pub next_index: usize,
    /// Stream time of the last frame, one that was dropped too.
    pub last: Option<f64>,
    /// Stream time of the first and the last frame.
    pub span: Option<(f64, f64)>,
}

impl Progress {
    /// Whether everything that the source gave was a frame: then the frames fill the time between the first and the last.
    pub(super) fn is_whole(&self, fps: f64) -> bool {
        let frames = |(first, last): (f64, f64)| ((last - first) * fps).round() as usize + 1;
        self.span.map_or(0, frames) == self.items
    }

    /// Where a stream goes on behind this.
    pub(super) fn behind(&self, fps: f64) -> Behind {
        Behind { index: self.next_index, time: self.last.map_or(0.0, |last| last + 1.0 / fps) }
    }
}
