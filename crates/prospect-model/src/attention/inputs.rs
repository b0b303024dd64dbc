//! Inputs of attention: queries, keys, values and the mask.

use super::{Heads, Number, ShapeError};

/// Which slots a query sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// Query `i` sees slots `0..=cached + i`.
    Causal {
        /// Number of slots before those of the queries.
        cached: usize,
    },
    /// Every query sees every slot.
    None,
}

/// Inputs of attention. Scores are scaled by `head_dim ^ -0.5`.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a, T = f32> {
    /// `[heads, tokens, head_dim]`.
    pub queries: Heads<'a>,
    /// `[kv_heads, slots, head_dim]`. With a causal mask `slots` is `cached + tokens`, without a mask
    /// any number.
    pub keys: Heads<'a, T>,
    /// Same shape as `keys`.
    pub values: Heads<'a, T>,
    /// Which slots a query sees.
    pub mask: Mask,
}

impl<T: Number> Inputs<'_, T> {
    /// Fails unless the shapes match each other and an output of `output` floats.
    pub(super) fn check(&self, output: usize) -> Result<(), ShapeError> {
        let Self { queries, keys, values, .. } = self;
        let same = |what, found, expected| match found == expected {
            true => Ok(()),
            false => Err(ShapeError { what, found, expected }),
        };
        same("heads of the values", values.heads, keys.heads)?;
        same("slots of the values", values.tokens, keys.tokens)?;
        same("features of a key", keys.head_dim, queries.head_dim)?;
        same("features of a value", values.head_dim, queries.head_dim)?;
        let whole = queries.heads.checked_rem(keys.heads) == Some(0);
        same("query heads a key head, left over", usize::from(!whole), 0)?;
        same("floats of the output", output, queries.tokens * queries.heads * queries.head_dim)?;
        match self.mask {
            Mask::Causal { cached } => same("slots", keys.tokens, cached + queries.tokens),
            Mask::None => same("slots, if there are none", usize::from(keys.tokens > 0), 1),
        }
    }
}
