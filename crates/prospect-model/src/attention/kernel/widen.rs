//! Converts rows of int8 to bf16, for products of bf16 pairs.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::bf16;

use super::lanes::Lanes;
use crate::attention::int8;

/// Lanes of a vector in f32.
const LANES: usize = 16;

/// Converts a row of int8 with its scale to bf16, rounded, into `to`, `[head_dim]`.
///
/// # Safety
/// The machine has AVX-512 F, BW and BF16.
#[inline(always)]
pub(super) unsafe fn int8_to_bf16(from: &[u8], to: &mut [bf16]) {
    let head_dim = to.len();
    assert!(from.len() >= head_dim);
    let scale = int8::scale(&from[head_dim..]);
    let whole = head_dim / (2 * LANES) * (2 * LANES);
    // SAFETY: 32 numbers from `at` on lie within both rows.
    unsafe {
        let scales = _mm512_set1_ps(scale);
        for at in (0..whole).step_by(2 * LANES) {
            let numbers = |at| _mm512_mul_ps(__m512::load_int8(from.as_ptr().add(at)), scales);
            let rounded = _mm512_cvtne2ps_pbh(numbers(at + LANES), numbers(at));
            let rounded = std::mem::transmute::<__m512bh, __m512i>(rounded);
            _mm512_storeu_si512(to.as_mut_ptr().add(at).cast(), rounded);
        }
    }
    let rest = to[whole..].iter_mut().zip(&from[whole..]);
    rest.for_each(|(to, from)| *to = bf16::from_f32(f32::from(from.cast_signed()) * scale));
}
