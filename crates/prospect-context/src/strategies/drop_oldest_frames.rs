//! `drop_oldest_frames`: pictures fade, words stay.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::{free_beside, kept, newest};
use crate::view::CacheView;

/// Drops frames, the oldest first, and keeps all that was said: a reply of ten tokens tells what a hundred frames showed.
///
/// The dialogue as memory of the stream, after StreamingVLM (<https://arxiv.org/abs/2510.09608>), which keeps a long window
/// of text beside a short one of pictures. In a stream of hours even words would fill the budget: where they pass half of
/// it, and the frames have no room beside them, the oldest messages go as well. A quarter of the budget is free afterwards,
/// so that not every frame evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropOldestFrames {
    /// Most tokens of frames that stay; fewer stay where the budget is smaller.
    pub keep_frame_len: usize,
    /// Where the kept keys stand afterwards.
    pub positions: PositionPolicy,
}

impl DropOldestFrames {
    /// What the catalogue says of it.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "drop_oldest_frames",
        purpose: "lets pictures fade, the oldest first, and keeps what was said",
        parameters: &[
            Parameter::count("keep_frame_len", 1).as_role(ParameterRole::Kept),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                keep_frame_len: values.count("keep_frame_len")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for DropOldestFrames {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let (words, room_for_frames) = dialogue_and_room(view, self.keep_frame_len)?;
        let frames = newest(view.segments, room_for_frames, is_frame);
        let stays = |index: usize, segment: &Segment| {
            segment.pinned || index >= if is_frame(segment) { frames } else { words }
        };
        let mut pieces = kept(view, stays);
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }
}

/// Index from which on the dialogue stays, and the tokens that frames may have beside it, at most `keep_frame_len`.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if the pinned segments alone pass the budget.
pub(super) fn dialogue_and_room(
    view: &CacheView<'_>,
    keep_frame_len: usize,
) -> Result<(usize, usize), PlanError> {
    let free = free_beside(view, |_, segment| segment.pinned)?;
    let headroom = view.budget.room_before(view.incoming).unwrap_or(0) / 4;
    let usable = free.saturating_sub(headroom);
    let words = newest(view.segments, usable.saturating_sub(keep_frame_len).max(usable / 2), is_dialogue);
    let said = view.segments[words..].iter().filter(|segment| is_dialogue(segment));
    let said: usize = said.map(|segment| segment.range.len()).sum();
    Ok((words, usable.saturating_sub(said).min(keep_frame_len)))
}

/// A frame that may be dropped.
pub(super) fn is_frame(segment: &Segment) -> bool {
    segment.kind == SegmentKind::Frame && !segment.pinned
}

/// What was said, and may be dropped.
fn is_dialogue(segment: &Segment) -> bool {
    segment.kind != SegmentKind::Frame && !segment.pinned
}
