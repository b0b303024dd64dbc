//! Functions that strategies share which keep parts of the cache.

use std::ops::Range;

use crate::plan::{Piece, PlanError};
use crate::segment::Segment;
use crate::view::CacheView;

/// Keeps the first `initial` segments, every pinned segment, and the whole segments that lie in the last
/// `recent_tokens` tokens, or fewer of those if the budget is smaller. The pending reply goes in behind them.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if the initial and pinned segments alone exceed the budget.
pub(super) fn initial_and_recent(
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

/// The tokens that the budget leaves beside the segments that have to stay.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if these segments alone exceed the budget.
pub(super) fn free_beside(
    view: &CacheView<'_>,
    is_fixed: impl Fn(usize, &Segment) -> bool,
) -> Result<usize, PlanError> {
    let segments = view.segments.iter().enumerate();
    let fixed = segments.filter(|(index, segment)| is_fixed(*index, segment));
    let needed: usize = fixed.map(|(_, segment)| segment.range.len()).sum();
    let available = view.budget.room_before(view.incoming).unwrap_or(0);
    available.checked_sub(needed).ok_or(PlanError::BudgetTooSmall { needed, available })
}

/// Pieces that keep the segments for which `stays` is true. Neighbouring segments become one range.
pub(super) fn kept(view: &CacheView<'_>, stays: impl Fn(usize, &Segment) -> bool) -> Vec<Piece> {
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

/// The index of the first segment of the recent part. The recent part has the whole segments from `first` on
/// that lie inside the last `recent_tokens` tokens. Those of them that are not `counted` take at most `free`
/// tokens.
pub(super) fn recent_start(
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
