//! `anchor_fifo`: an anchor at the beginning of the stream stays; of the rest, the oldest segments go first.

use crate::catalogue::{Parameter, ParameterRole, StrategyDescription};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::{Segment, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::survivors::{free_beside, kept, newest};
use crate::view::CacheView;

/// Keeps the anchor: the beginning of the stream up to its first frames, with what was said at them. Behind
/// the anchor the cache is a queue of whole segments. An eviction takes the oldest of them out, a fixed
/// number of tokens at a time.
///
/// This is the retention of streaming sessions that vLLM discusses
/// (<https://github.com/vllm-project/vllm/issues/51948>, <https://github.com/vllm-project/vllm/pull/53876>).
/// There, the system prompt and the first turn are the anchor, memory is freed in place, and what stays keeps
/// its positions, which is the position policy [`PositionPolicy::Preserve`]. [`super::DropMiddle`] has the
/// same shape. It says how much stays at the end, where this strategy says how much goes, so that a cache of
/// any size is used to the full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnchorFifo {
    /// The first frames of the stream that stay for ever (1 in vLLM's proposal, its first turn).
    pub anchor_frames: usize,
    /// The least tokens that an eviction takes out, rounded up to whole segments. More are taken out if the
    /// budget demands it.
    pub evict_len: usize,
    /// The positions of the kept keys after an eviction.
    pub positions: PositionPolicy,
}

impl AnchorFifo {
    /// The description in the catalogue.
    pub const DESCRIPTION: StrategyDescription = StrategyDescription {
        name: "anchor_fifo",
        purpose: "keeps how the stream began, and takes out the oldest of the rest a little at a time",
        parameters: &[
            Parameter::count("anchor_frames", 0).as_role(ParameterRole::KeptFrames),
            Parameter::count("evict_len", 1).as_role(ParameterRole::Evicted),
            Parameter::positions(),
        ],
        make: |values| {
            Ok(Box::new(Self {
                anchor_frames: values.count("anchor_frames")?,
                evict_len: values.count("evict_len")?,
                positions: values.positions("positions")?,
            }))
        },
    };

    /// The number of segments of the anchor. What was said at the last of its frames has the time of that
    /// frame. A reply that came later and was left behind by its own frame does not become a part of the
    /// anchor.
    fn anchor(&self, segments: &[Segment]) -> usize {
        let opened = segments.first().map_or(0.0, |segment| segment.time);
        let is_frame = |segment: &Segment| segment.kind == SegmentKind::Frame;
        let frames = segments.iter().enumerate().filter(|(_, segment)| is_frame(segment));
        let (first, time) = match frames.take(self.anchor_frames).last() {
            Some((index, segment)) => (index + 1, segment.time),
            None => (0, opened),
        };
        let of_anchor = |segment: &&Segment| !is_frame(segment) && segment.time <= time;
        first + segments[first..].iter().take_while(of_anchor).count()
    }
}

impl ContextStrategy for AnchorFifo {
    fn name(&self) -> &str {
        Self::DESCRIPTION.name
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let anchor = self.anchor(view.segments);
        let is_fixed = |index: usize, segment: &Segment| index < anchor || segment.pinned;
        let free = free_beside(view, is_fixed)?;
        let queue = &view.segments[anchor..];
        let queued = queue.iter().filter(|segment| !segment.pinned).map(|segment| segment.range.len());
        let stays = queued.sum::<usize>().saturating_sub(self.evict_len).min(free);
        let first = anchor + newest(queue, stays, |segment| !segment.pinned);
        let mut pieces = kept(view, |index, segment| is_fixed(index, segment) || index >= first);
        pieces.push(Piece::PendingReply);
        EvictionPlan::new(pieces, self.positions, view)
    }

    fn positions(&self) -> PositionPolicy {
        self.positions
    }
}
