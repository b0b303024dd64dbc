//! The number types of keys and values: f32, bf16, or int8 with one scale per row. Rows of int8 are
//! bytes: `head_dim` int8 numbers followed by an f32 scale. The product of a number and the scale is a
//! value of the rotated row.

use half::bf16;

use crate::attention::int8;
use crate::rotation::rotate;

/// The type of the numbers of keys or values.
pub trait Number: Copy + Send + Sync {
    /// Number of elements that a row's scale occupies behind its features; 0 if rows have no scale.
    const SCALE: usize = 0;

    /// The number, without the row's scale.
    fn number(self) -> f64;

    /// The scale of a row, read from the elements after its features.
    fn scale(_: &[Self]) -> f32 {
        1.0
    }

    /// Turns a query as the features of keys are turned, or turns mixed values back.
    fn turn(_: &mut [f32]) {}
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

    fn turn(row: &mut [f32]) {
        rotate(row);
    }
}
