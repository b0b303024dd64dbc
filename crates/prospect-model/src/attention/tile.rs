//! The memory of one task while its blocks are worked through: what the kernels read and write.

/// How the matrices of a tile lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// A lane of a vector is a feature.
    Narrow,
    /// A lane is a row.
    Wide,
    /// A lane is a row, and holds two features of its query in bf16.
    Paired,
}

/// Query rows and what the online softmax knows of them so far. The kernel says how the matrices lie.
pub(super) struct Tile<'a> {
    pub(super) layout: Layout,
    pub(super) rows: usize,
    pub(super) head_dim: usize,
    pub(super) queries: &'a mut [f32],
    pub(super) scores: &'a mut [f32],
    pub(super) mixed: &'a mut [f32],
    /// What makes products of queries and keys exponents of 2: `head_dim ^ -0.5 * log2 e`. It is applied to what a score
    /// differs from the largest by, in one rounding: in the queries it would round twice more, and large scores would show it.
    pub(super) scale: f32,
    /// Largest score by row, as an exponent; finite, so that a difference to it is never NaN where all scores are finite.
    pub(super) max: &'a mut [f32],
    /// Sum of weights by row.
    pub(super) sum: &'a mut [f32],
    /// What the last block corrected earlier weights by.
    pub(super) correction: &'a mut [f32],
}

impl Tile<'_> {
    /// Rows of a wide tile with those that fill its last vector.
    pub(super) fn width(&self, lanes: usize) -> usize {
        self.rows.next_multiple_of(lanes)
    }

    /// Features of a narrow tile with those that fill its last two vectors.
    pub(super) fn padded(&self, lanes: usize) -> usize {
        self.head_dim.next_multiple_of(2 * lanes)
    }
}
