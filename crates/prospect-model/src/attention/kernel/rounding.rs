//! Floats rounded to bf16 where no instruction does it.

use half::bf16;

/// Rows `stride` apart into rows of `width` side by side.
#[inline(always)]
pub(super) fn rows(from: &[f32], stride: usize, to: &mut [bf16], width: usize) {
    for (row, to) in to.chunks_exact_mut(width).enumerate() {
        round(&from[row * stride..][..width], to);
    }
}

/// To the nearest, ties to even; what is finite stays so. Compiled for the instructions of whoever calls it.
#[inline(always)]
pub(super) fn round(from: &[f32], to: &mut [bf16]) {
    for (to, from) in to.iter_mut().zip(from) {
        let limit = f32::from(bf16::MAX);
        let bits = from.clamp(-limit, limit).to_bits();
        // What wraps is NaN, which has its own answer.
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        let rounded = if from.is_nan() { 0x7fc0 } else { rounded };
        *to = bf16::from_bits(rounded as u16);
    }
}
