//! What strategies that keep parts of the cache do again and again: count the tokens that the budget leaves, choose the newest segments, and
//! turn chosen segments into pieces of a plan.
//!
//! ```
//! use prospect_context::survivors::{free_beside, kept, newest};
//! use prospect_context::{
//!     CacheView, ContextStrategy, EvictionPlan, Piece, PlanError, PositionPolicy, Segment, SegmentKind, laws,
//! };
//!
//! /// Keeps what is pinned and the newest frames, at most `tokens` of them.
//! struct NewestFrames {
//!     tokens: usize,
//! }
//!
//! impl ContextStrategy for NewestFrames {
//!     fn name(&self) -> &str {
//!         "newest_frames"
//!     }
//!     fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
//!         let is_frame = |segment: &Segment| segment.kind == SegmentKind::Frame && !segment.pinned;
//!         let free = free_beside(view, |_, segment| segment.pinned)?;
//!         let first = newest(view.segments, free.min(self.tokens), is_frame);
//!         let mut pieces = kept(view, |index, segment| segment.pinned || (index >= first && is_frame(segment)));
//!         pieces.push(Piece::PendingReply);
//!         EvictionPlan::new(pieces, PositionPolicy::Rerotate, view)
//!     }
//! }
//!
//! laws::check_strategy(&NewestFrames { tokens: 1_000 }, 1_000)?;
//! # Ok::<(), laws::Counterexample>(())
//! ```

use std::ops::Range;

use crate::plan::{Piece, PlanError};
use crate::segment::Segment;
use crate::view::CacheView;

/// Keeps the first `initial` segments, every pinned segment, and the whole segments that lie in the last
/// `recent_tokens` tokens, or fewer of those if the budget is smaller. The pending reply goes in behind them.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if the initial and pinned segments alone exceed the budget.
pub fn initial_and_recent(
    view: &CacheView<'_>,
    initial: usize,
    recent_tokens: usize,
) -> Result<Vec<Piece>, PlanError> {
    let is_fixed = |index: usize, segment: &Segment| index < initial || segment.pinned;
    let free = free_beside(view, is_fixed)?;
    let recent_start = recent_start(view.segments, initial, recent_tokens, free, |segment| segment.pinned);
    let mut pieces = kept(view, |index, segment| is_fixed(index, segment) || index >= recent_start);
    pieces.push(Piece::PendingReply);
    Ok(pieces)
}

/// The tokens that the budget leaves beside the segments that have to stay, those for which `is_fixed` holds. `is_fixed` is given a segment and
/// its index in [`CacheView::segments`].
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if these segments alone exceed the budget.
pub fn free_beside(
    view: &CacheView<'_>,
    is_fixed: impl Fn(usize, &Segment) -> bool,
) -> Result<usize, PlanError> {
    let segments = view.segments.iter().enumerate();
    let fixed = segments.filter(|(index, segment)| is_fixed(*index, segment));
    let needed: usize = fixed.map(|(_, segment)| segment.range.len()).sum();
    let available = view.budget.room_before(view.incoming).unwrap_or(0);
    available.checked_sub(needed).ok_or(PlanError::BudgetTooSmall { needed, available })
}

/// The segments for which `stays` holds, as pieces in their order: neighbours become one range, empty segments none. `stays` is given a
/// segment and its index in [`CacheView::segments`].
pub fn kept(view: &CacheView<'_>, stays: impl Fn(usize, &Segment) -> bool) -> Vec<Piece> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (index, segment) in view.segments.iter().enumerate() {
        if segment.range.is_empty() || !stays(index, segment) {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.end == segment.range.start => last.end = segment.range.end,
            _ => ranges.push(segment.range.clone()),
        }
    }
    ranges.into_iter().map(Piece::Keep).collect()
}

/// Index of the first segment of a recent part: the longest run of whole segments at the end, none before the index `first`, that has at most
/// `recent_tokens` tokens, and of which the segments that are not `counted` elsewhere have at most `free` tokens. It is the number of segments
/// where the last one does not fit.
pub fn recent_start(
    segments: &[Segment],
    first: usize,
    recent_tokens: usize,
    free: usize,
    counted: impl Fn(&Segment) -> bool,
) -> usize {
    let (mut window, mut taken, mut start) = (0usize, 0usize, segments.len());
    for (index, segment) in segments.iter().enumerate().skip(first).rev() {
        window += segment.range.len();
        taken += if counted(segment) { 0 } else { segment.range.len() };
        if window > recent_tokens || taken > free {
            break;
        }
        start = index;
    }
    start
}

/// Index of a segment such that, from it to the end, the segments for which `counts` holds have at most `tokens` tokens together; the smallest
/// such index. Segments for which `counts` does not hold take none of them.
pub fn newest(segments: &[Segment], tokens: usize, counts: impl Fn(&Segment) -> bool) -> usize {
    let mut taken = 0usize;
    let passes = |segment: &Segment| {
        taken += if counts(segment) { segment.range.len() } else { 0 };
        taken > tokens
    };
    segments.iter().rposition(passes).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use crate::segment::SegmentKind;

    /// Frames of 10 tokens, and a reply of 3 behind the second and the fourth.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new();
        for frame in 0..4 {
            ledger.append(SegmentKind::Frame, 10, f64::from(frame), false);
            if frame % 2 == 1 {
                ledger.append(SegmentKind::Assistant, 3, f64::from(frame), false);
            }
        }
        ledger
    }

    #[test]
    fn the_newest_segments_are_whole_and_fit() {
        let ledger = ledger();
        let is_frame = |segment: &Segment| segment.kind == SegmentKind::Frame;
        let first = |tokens| newest(ledger.segments(), tokens, is_frame);
        // Indices: frame, frame, reply, frame, frame, reply.
        assert_eq!([first(0), first(9), first(10), first(20), first(39), first(40)], [5, 5, 4, 2, 1, 0]);
    }

    #[test]
    fn a_recent_part_ends_at_whichever_bound_comes_first() {
        let ledger = ledger();
        let segments = ledger.segments();
        let is_reply = |segment: &Segment| segment.kind == SegmentKind::Assistant;
        assert_eq!(recent_start(segments, 0, 23, usize::MAX, |_| false), 3);
        assert_eq!(recent_start(segments, 0, 100, 20, is_reply), 2, "replies are counted elsewhere");
        assert_eq!(recent_start(segments, 4, 100, 100, |_| false), 4, "nothing before the first");
        assert_eq!(recent_start(segments, 0, 2, 100, |_| false), segments.len());
    }
}
