//! `recent_frames`: the system prompt, the newest request, and the last few frames with what was said at
//! them.

use super::drop_oldest_frames::is_frame;
use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::{free_beside, kept, recent_start};
use crate::view::CacheView;

/// Keeps what is pinned, the newest message of the user, and the last frames with the text between them.
/// Everything older is forgotten.
///
/// SimpleStream (<https://arxiv.org/abs/2604.02317>) answers every question from the last few frames alone,
/// and does better than most methods with a memory. There, the question comes with the frames, so it is
/// always seen. Here, the newest message of the user therefore stays, however old it is: it is the question
/// that the stream is about. Older messages and replies are memory, and go.
///
/// The paper computes its frames afresh, which is the position policy [`PositionPolicy::Recompute`]. Under
/// any other policy the kept frames still carry what the model had seen before them. Between two evictions
/// the cache grows beyond these frames; a budget that they nearly fill makes the difference small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentFrames {
    /// The most frames that stay (4 in the paper). Fewer stay if the budget is smaller.
    pub keep_frames: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl RecentFrames {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "recent_frames",
        purpose: "keeps the last few frames and the newest request, and forgets the rest",
        parameters: &[
            Parameter::count("keep_frames", 1).as_role(ParameterRole::KeptFrames),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                keep_frames: values.count("keep_frames")?,
                positions: values.positions("positions")?,
            }))
        },
    };
}

impl ContextStrategy for RecentFrames {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let free = free_beside(view, |_, segment| segment.pinned)?;
        let is_request = |segment: &&Segment| segment.kind == SegmentKind::User && !segment.pinned;
        let request = view.segments.iter().rfind(is_request).filter(|request| request.range.len() <= free);
        let is_fixed = |segment: &Segment| segment.pinned || request == Some(segment);
        let free = free - request.map_or(0, |request| request.range.len());
        let fits = recent_start(view.segments, 0, usize::MAX, free, is_fixed);
        let frames = view.segments.iter().enumerate().rev().filter(|(_, segment)| is_frame(segment));
        let oldest = frames.take(self.keep_frames).last().map_or(0, |(index, _)| index);
        let mut pieces = kept(view, |index, segment| is_fixed(segment) || index >= oldest.max(fits));
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }
}
