//! Views of queries, keys or values in place.

use super::Number;

/// Shapes do not match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attention has {found} {what} where it needs {expected}")]
pub struct ShapeError {
    pub(super) what: &'static str,
    pub(super) found: usize,
    pub(super) expected: usize,
}

/// A view of `[heads, tokens, head_dim]` with any stride between heads and between tokens. The features
/// of a row are contiguous; the scale of a row, if the type has one, follows them.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a, T = f32> {
    pub(super) data: &'a [T],
    pub(super) heads: usize,
    pub(super) tokens: usize,
    pub(super) head_dim: usize,
    pub(super) head_stride: usize,
    pub(super) token_stride: usize,
}

/// Length in elements up to the end of the row at these strides. The sums saturate instead of wrapping,
/// because the kernels rely on this bound.
pub(super) fn reach<T: Number>(head_dim: usize, strides: &[(usize, usize)]) -> usize {
    let row = head_dim.saturating_add(T::SCALE);
    strides.iter().fold(row, |sum, &(count, stride)| sum.saturating_add(count.saturating_mul(stride)))
}

impl<'a, T: Number> Heads<'a, T> {
    /// Views `[heads, capacity, head_dim]`, of which the first `tokens` tokens are used: one side of a
    /// cache, or queries whose capacity is their number of tokens. Scales follow their rows.
    ///
    /// # Errors
    /// [`ShapeError`] if `data` is shorter than that.
    pub fn by_head(
        data: &'a [T],
        [heads, capacity, head_dim]: [usize; 3],
        tokens: usize,
    ) -> Result<Self, ShapeError> {
        if tokens > capacity {
            return Err(ShapeError { what: "slots of capacity", found: capacity, expected: tokens });
        }
        let row = head_dim.saturating_add(T::SCALE);
        Self::strided(data, [heads, tokens, head_dim], [capacity.saturating_mul(row), row])
    }

    /// Views `[tokens, heads, head_dim]`, the layout of a projection's output. Scales follow their
    /// rows.
    ///
    /// # Errors
    /// [`ShapeError`] if `data` is shorter than that.
    pub fn by_token(data: &'a [T], [tokens, heads, head_dim]: [usize; 3]) -> Result<Self, ShapeError> {
        let row = head_dim.saturating_add(T::SCALE);
        Self::strided(data, [heads, tokens, head_dim], [row, heads.saturating_mul(row)])
    }

    /// Views `[heads, tokens, head_dim]` with the given strides, for example a part of a stacked
    /// projection.
    ///
    /// # Errors
    /// [`ShapeError`] if `data` is shorter than that.
    pub fn strided(
        data: &'a [T],
        [heads, tokens, head_dim]: [usize; 3],
        [head_stride, token_stride]: [usize; 2],
    ) -> Result<Self, ShapeError> {
        let needed = match [heads, tokens, head_dim].contains(&0) {
            true => 0,
            false => reach::<T>(head_dim, &[(heads - 1, head_stride), (tokens - 1, token_stride)]),
        };
        match needed <= data.len() {
            true => Ok(Self { data, heads, tokens, head_dim, head_stride, token_stride }),
            false => Err(ShapeError { what: "numbers", found: data.len(), expected: needed }),
        }
    }

    /// One row, `[head_dim]`.
    pub(super) fn row(&self, head: usize, token: usize) -> &'a [T] {
        &self.from(head, token)[..self.head_dim]
    }

    /// The scale of a row.
    pub(super) fn scale(&self, head: usize, token: usize) -> f64 {
        T::scale(&self.from(head, token)[self.head_dim..]).into()
    }

    /// The elements from a row on; rows of later tokens are `token_stride` apart.
    pub(super) fn from(&self, head: usize, token: usize) -> &'a [T] {
        &self.data[head * self.head_stride + token * self.token_stride..]
    }
}
