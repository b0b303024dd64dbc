//! `drop_oldest_frames`: pictures fade, words stay.

use super::survivors::{free_beside, kept};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::view::CacheView;

/// Drops frames, the oldest first, and keeps all that was said: a reply of ten tokens tells what a hundred frames showed.
///
/// The dialogue as memory of the stream, after StreamingVLM (<https://arxiv.org/abs/2510.09608>), which keeps a long window
/// of text beside a short one of pictures. A dialogue that fills the budget by itself loses its oldest messages, so that a
/// stream of hours goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropOldestFrames {
    /// Most tokens of frames that stay; fewer stay where the budget is smaller.
    pub keep_frame_len: usize,
    /// Where the kept keys stand afterwards.
    pub positions: PositionPolicy,
}

impl ContextStrategy for DropOldestFrames {
    fn name(&self) -> &str {
        "drop_oldest_frames"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let words = newest(view, free_beside(view, |_, segment| segment.pinned)?, is_dialogue);
        let stays =
            |index: usize, segment: &Segment| segment.pinned || (is_dialogue(segment) && index >= words);
        let free = free_beside(view, stays)?.min(self.keep_frame_len);
        let frames = newest(view, free, is_frame);
        let stays =
            |index: usize, segment: &Segment| stays(index, segment) || (is_frame(segment) && index >= frames);
        let mut pieces = kept(view, stays);
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }
}

/// A frame that may be dropped.
pub(super) fn is_frame(segment: &Segment) -> bool {
    segment.kind == SegmentKind::Frame && !segment.pinned
}

/// What was said, and may be dropped.
pub(super) fn is_dialogue(segment: &Segment) -> bool {
    segment.kind != SegmentKind::Frame && !segment.pinned
}

/// Index from which on the segments for which `counts` holds have at most `tokens` tokens.
pub(super) fn newest(view: &CacheView<'_>, tokens: usize, counts: impl Fn(&Segment) -> bool) -> usize {
    let mut taken = 0usize;
    let passes = |segment: &Segment| {
        taken += if counts(segment) { segment.range.len() } else { 0 };
        taken > tokens
    };
    view.segments.iter().rposition(passes).map_or(0, |index| index + 1)
}
