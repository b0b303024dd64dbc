//! `drop_oldest_frames`: drops the oldest frames and keeps the text.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::{free_beside, kept, newest};
use crate::view::CacheView;

/// Drops frames, the oldest first, and keeps all messages and replies: a reply of ten tokens tells what a
/// hundred frames showed.
///
/// The dialogue serves as the memory of the stream, as in StreamingVLM (<https://arxiv.org/abs/2510.09608>),
/// which keeps a long window of text beside a short window of pictures. In a stream of hours the text alone
/// would fill the budget. If it takes more than half of the budget and leaves no room for the frames, the
/// oldest messages are dropped as well. A quarter of the budget is free after an eviction, so that not every
/// frame causes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropOldestFrames {
    /// The most tokens of frames that stay. Fewer stay if the budget is smaller.
    pub keep_frame_len: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl DropOldestFrames {
    /// The description in the catalogue.
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

/// The index of the first segment of the dialogue that stays, and the tokens that frames may take beside it,
/// at most `keep_frame_len`.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if the pinned segments alone exceed the budget.
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

/// Whether a segment is a frame that may be dropped.
pub(super) fn is_frame(segment: &Segment) -> bool {
    segment.kind == SegmentKind::Frame && !segment.pinned
}

/// Whether a segment is a message or a reply that may be dropped.
fn is_dialogue(segment: &Segment) -> bool {
    segment.kind != SegmentKind::Frame && !segment.pinned
}
