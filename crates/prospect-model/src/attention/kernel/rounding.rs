//! Rounding of floats to bf16 without a special instruction.

use half::bf16;

/// Rounds rows that are `stride` apart to contiguous rows of `width`.
#[inline(always)]
pub(super) fn rows(from: &[f32], stride: usize, to: &mut [bf16], width: usize) {
    for (row, to) in to.chunks_exact_mut(width).enumerate() {
        round(&from[row * stride..][..width], to);
    }
}

/// Rounds to nearest, ties to even. Finite values stay finite. It is inlined, and thus compiled for the
/// caller's instruction set.
#[inline(always)]
pub(super) fn round(from: &[f32], to: &mut [bf16]) {
    for (to, from) in to.iter_mut().zip(from) {
        let limit = f32::from(bf16::MAX);
        let bits = from.clamp(-limit, limit).to_bits();
        // Only NaN can wrap, and it is replaced below.
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        let rounded = if from.is_nan() { 0x7fc0 } else { rounded };
        *to = bf16::from_bits(rounded as u16);
    }
}
