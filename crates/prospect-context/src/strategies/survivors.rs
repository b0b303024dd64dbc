//! Shared by the strategies that keep a beginning and an end of the cache.

use std::ops::Range;

use crate::plan::{Piece, PlanError};
use crate::segment::Segment;
use crate::view::CacheView;

/// Keeps the first `initial` segments, every pinned one, and the whole segments that lie in the last `recent_tokens`
/// tokens; fewer of those where the budget wants it. The pending reply goes in behind them.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if the initial and pinned segments alone pass the budget.
pub(super) fn initial_and_recent(
    view: &CacheView<'_>,
    initial: usize,
    recent_tokens: usize,
) -> Result<Vec<Piece>, PlanError> {
    let is_fixed = |index: usize, segment: &Segment| index < initial || segment.pinned;
    let fixed_tokens: usize = view
        .segments
        .iter()
        .enumerate()
        .filter(|(index, segment)| is_fixed(*index, segment))
        .map(|(_, segment)| segment.range.len())
        .sum();
    let available = view.budget.room_before(view.incoming).unwrap_or(0);
    let Some(free) = available.checked_sub(fixed_tokens) else {
        return Err(PlanError::BudgetTooSmall { needed: fixed_tokens, available });
    };
    let recent_start = recent_start(view.segments, initial, recent_tokens, free);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (index, segment) in view.segments.iter().enumerate() {
        if segment.range.is_empty() || !(is_fixed(index, segment) || index >= recent_start) {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.end == segment.range.start => last.end = segment.range.end,
            _ => ranges.push(segment.range.clone()),
        }
    }
    Ok(ranges.into_iter().map(Piece::Keep).chain([Piece::PendingReply]).collect())
}

/// Index of the first segment of the recent part: whole segments inside the last `recent_tokens` tokens, of which those
/// that are not pinned (and so counted already) take at most `free` tokens.
fn recent_start(segments: &[Segment], initial: usize, recent_tokens: usize, free: usize) -> usize {
    let (mut window, mut unpinned, mut start) = (0usize, 0usize, segments.len());
    for (index, segment) in segments.iter().enumerate().skip(initial).rev() {
        window += segment.range.len();
        unpinned += if segment.pinned { 0 } else { segment.range.len() };
        if window > recent_tokens || unpinned > free {
            break;
        }
        start = index;
    }
    start
}
