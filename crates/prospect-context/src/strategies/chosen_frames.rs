//! The part that strategies share which keep the text, the newest frames, and a choice of the older frames.

use super::drop_oldest_frames::{dialogue_and_room, is_frame};
use crate::plan::{EvictionPlan, Piece, PlanError, PositionPolicy};
use crate::segment::Segment;
use crate::survivors::{kept, newest};
use crate::view::CacheView;

/// The room of the frames that stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameRoom {
    /// The most tokens of frames that stay.
    pub(super) keep_frame_len: usize,
    /// Of these, the most tokens of the newest frames.
    pub(super) recent_frame_len: usize,
}

/// A plan that keeps messages and replies, the newest frames, and the frames that `choose` returns. `choose`
/// is given the indices of the older frames in [`CacheView::segments`], in their order, and the number of
/// them that fit.
///
/// # Errors
/// [`PlanError::BudgetTooSmall`] if the pinned segments alone exceed the budget.
pub(super) fn plan(
    view: &CacheView<'_>,
    room: FrameRoom,
    positions: PositionPolicy,
    choose: impl FnOnce(&[usize], usize) -> Vec<usize>,
) -> Result<EvictionPlan, PlanError> {
    let (words, free) = dialogue_and_room(view, room.keep_frame_len)?;
    let recent = newest(view.segments, free.min(room.recent_frame_len), is_frame);
    let tokens = |index: usize| view.segments[index].range.len();
    let frames = |(index, segment): (usize, &Segment)| is_frame(segment).then_some(index);
    let taken: usize = view.segments.iter().enumerate().skip(recent).filter_map(frames).map(tokens).sum();
    let older: Vec<usize> = view.segments[..recent].iter().enumerate().filter_map(frames).collect();
    // Frames of one model are all of one length, but for a token or two, so few tokens stay unused.
    let longest = older.iter().map(|index| tokens(*index)).max().unwrap_or(1).max(1);
    let count = (free.saturating_sub(taken) / longest).min(older.len());
    let mut chosen = vec![false; view.segments.len()];
    choose(&older, count).into_iter().take(count).for_each(|index| chosen[index] = true);
    let stays = |index: usize, segment: &Segment| match is_frame(segment) {
        true => index >= recent || chosen[index],
        false => segment.pinned || index >= words,
    };
    let mut pieces = kept(view, stays);
    pieces.push(Piece::PendingReply);
    EvictionPlan::new(pieces, positions, view)
}

/// The `count` frames with the highest scores, in any order. Of frames with equal scores, the later ones are
/// taken. Takes time in proportion to the number of frames.
pub(super) fn highest(frames: &[usize], count: usize, score: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut scored: Vec<(f64, usize)> = frames.iter().map(|index| (score(*index), *index)).collect();
    if count < scored.len() && count > 0 {
        scored.select_nth_unstable_by(count - 1, |a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    }
    scored.truncate(count);
    scored.into_iter().map(|(_, index)| index).collect()
}
