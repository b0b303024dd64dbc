//! Heads of queries, keys or values where they lie.

use super::Number;

/// Shapes that do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attention has {found} {what} where it needs {expected}")]
pub struct ShapeError {
    pub(super) what: &'static str,
    pub(super) found: usize,
    pub(super) expected: usize,
}

/// `[heads, tokens, head_dim]` in memory of any stride between heads and tokens; the features of a row lie side by side, and the
/// scale of a row, where its numbers have one, right behind them.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a, T = f32> {
    pub(super) data: &'a [T],
    pub(super) heads: usize,
    pub(super) tokens: usize,
    pub(super) head_dim: usize,
    pub(super) head_stride: usize,
    pub(super) token_stride: usize,
}

/// Numbers up to the end of a row that is so many strides away. No sum wraps: the kernels read where these strides say.
pub(super) fn reach<T: Number>(head_dim: usize, strides: &[(usize, usize)]) -> usize {
    let row = head_dim.saturating_add(T::SCALE);
    strides.iter().fold(row, |sum, &(count, stride)| sum.saturating_add(count.saturating_mul(stride)))
}

impl<'a, T: Number> Heads<'a, T> {
    /// `[heads, capacity, head_dim]`, of which the first `tokens` count: a side of the cache, or queries with a capacity of
    /// their tokens. Scales stand behind their rows.
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

    /// `[tokens, heads, head_dim]`, as a projection leaves it. Scales stand behind their rows.
    ///
    /// # Errors
    /// [`ShapeError`] if `data` is shorter than that.
    pub fn by_token(data: &'a [T], [tokens, heads, head_dim]: [usize; 3]) -> Result<Self, ShapeError> {
        let row = head_dim.saturating_add(T::SCALE);
        Self::strided(data, [heads, tokens, head_dim], [row, heads.saturating_mul(row)])
    }

    /// `[heads, tokens, head_dim]` with these strides between heads and between tokens: a part of a joint projection, say.
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

    /// What the numbers of a row are multiplied by.
    pub(super) fn scale(&self, head: usize, token: usize) -> f64 {
        T::scale(&self.from(head, token)[self.head_dim..]).into()
    }

    /// Memory from a row on; the rows of later tokens are `token_stride` apart.
    pub(super) fn from(&self, head: usize, token: usize) -> &'a [T] {
        &self.data[head * self.head_stride + token * self.token_stride..]
    }
}
