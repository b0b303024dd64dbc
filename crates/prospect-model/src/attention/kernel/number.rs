//! What keys and values are made of: f32, bf16, or int8 with a scale a row, which are bytes whose rows are `head_dim` int8 and, right
//! behind them, the bytes of an f32. What the int8 of a row mean is their product with its scale.

use half::bf16;

use crate::attention::int8;

/// A number of keys or values.
pub trait Number: Copy + Send + Sync {
    /// How many of these the scale of a row takes, behind its features; none where rows have none.
    const SCALE: usize = 0;

    /// A number of a row, without the row's scale.
    fn number(self) -> f64;

    /// The scale of a row, from what is behind its features on.
    fn scale(_: &[Self]) -> f32 {
        1.0
    }
}

impl Number for f32 {
    fn number(self) -> f64 {
        self.into()
    }
}

impl Number for bf16 {
    fn number(self) -> f64 {
        self.into()
    }
}

impl Number for u8 {
    const SCALE: usize = int8::SCALE;

    fn number(self) -> f64 {
        self.cast_signed().into()
    }

    #[inline(always)]
    fn scale(behind: &[Self]) -> f32 {
        int8::scale(behind)
    }
}
