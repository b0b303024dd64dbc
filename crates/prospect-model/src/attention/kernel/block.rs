//! The slots that a kernel adds to a tile in one step.

/// Slots per step. With fewer slots a narrow tile loses memory bandwidth, because it alternates between
/// keys and values more often. A wide tile is equally fast from 32 slots on.
pub(in crate::attention) const SLOTS: usize = 128;

/// Slots `0..count` of the keys and values of one head, each `[count, head_dim]` with a stride between
/// slots, and the number of slots that each row of a tile may see.
pub(in crate::attention) struct Block<'a, T> {
    pub(in crate::attention) keys: &'a [T],
    pub(in crate::attention) values: &'a [T],
    pub(in crate::attention) key_stride: usize,
    pub(in crate::attention) value_stride: usize,
    pub(in crate::attention) count: usize,
    /// Number of visible slots of this block by row, at most `count`.
    pub(in crate::attention) seen: &'a [usize],
}

impl<T> Block<'_, T> {
    /// Sets the scores that a row may not see to minus infinity.
    #[inline(always)]
    pub(super) fn hide(&self, scores: &mut [f32], at: impl Fn(usize, usize) -> usize) {
        for (row, &seen) in self.seen.iter().enumerate() {
            for slot in seen..self.count {
                scores[at(row, slot)] = f32::NEG_INFINITY;
            }
        }
    }
}
