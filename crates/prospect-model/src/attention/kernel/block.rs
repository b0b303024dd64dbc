//! The slots that a kernel takes into a tile in one go.

/// Slots that a kernel works through at a time. Fewer cost a narrow tile memory speed, because it goes back and forth between
/// keys and values; a wide one takes the same time from 32 on.
pub(in crate::attention) const SLOTS: usize = 128;

/// Slots `0..count` of the keys and values of one head, each `[count, head_dim]` with a stride between slots, and how many
/// of them each row of a tile may see.
pub(in crate::attention) struct Block<'a, T> {
    pub(in crate::attention) keys: &'a [T],
    pub(in crate::attention) values: &'a [T],
    pub(in crate::attention) key_stride: usize,
    pub(in crate::attention) value_stride: usize,
    pub(in crate::attention) count: usize,
    /// Slots of this block by row, `count` or fewer.
    pub(in crate::attention) seen: &'a [usize],
}

impl<T> Block<'_, T> {
    /// Scores that a row may not see become minus infinity.
    #[inline(always)]
    pub(super) fn hide(&self, scores: &mut [f32], at: impl Fn(usize, usize) -> usize) {
        for (row, &seen) in self.seen.iter().enumerate() {
            for slot in seen..self.count {
                scores[at(row, slot)] = f32::NEG_INFINITY;
            }
        }
    }
}
