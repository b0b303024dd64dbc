//! The memory of a task that the kernels read and write.

/// The layout of a tile's matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A vector lane is a feature.
    Narrow,
    /// A vector lane is a query row.
    Wide,
    /// A vector lane is a query row and holds two features in bf16.
    Paired,
}

/// Query rows and the state of their online softmax. `layout` says how the matrices are stored.
pub(super) struct Tile<'a> {
    pub(super) layout: Layout,
    pub(super) rows: usize,
    pub(super) head_dim: usize,
    pub(super) queries: &'a mut [f32],
    pub(super) scores: &'a mut [f32],
    pub(super) mixed: &'a mut [f32],
    /// Converts products of queries and keys to exponents of 2: `head_dim ^ -0.5 * log2 e`. It is
    /// applied to the difference of a score to the largest one, with a single rounding. Scaling the
    /// queries would round twice more, which shows with large scores.
    pub(super) scale: f32,
    /// Largest score of each row, as an exponent. It is finite, so a difference to it is never NaN if
    /// all scores are finite.
    pub(super) max: &'a mut [f32],
    /// Sum of weights of each row.
    pub(super) sum: &'a mut [f32],
    /// Factor by which the last block corrected earlier weights.
    pub(super) correction: &'a mut [f32],
}

impl Tile<'_> {
    /// Rows of a wide tile, rounded up to whole vectors.
    pub(super) fn width(&self, lanes: usize) -> usize {
        self.rows.next_multiple_of(lanes)
    }

    /// Features of a narrow tile, rounded up to whole pairs of vectors.
    pub(super) fn padded(&self, lanes: usize) -> usize {
        self.head_dim.next_multiple_of(2 * lanes)
    }
}
