//! Wide tile in bf16 (`vdpbf16ps`): a lane multiplies two features of a query with two of a key, or the
//! weights of two slots with their values, and adds both products to a sum in f32.
//!
//! Queries and weights are rounded to bf16. The sum of the weights is computed from the rounded
//! weights, so an output remains a mean of values.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use half::bf16;

use super::block::{Block, SLOTS};
use super::load::Load;
use super::wide::{self, Product};
use crate::attention::tile::Tile;

/// Two bf16.
enum Pair {}

/// Lanes of a vector: f32 values, or pairs of bf16.
const LANES: usize = 16;

/// A pair of ones in bf16.
const ONES: i32 = 0x3f80_3f80;

impl Product<__m512> for Pair {
    type Number = bf16;
    const PACKED: usize = 2;
    const RUN: usize = usize::MAX;

    #[inline(always)]
    unsafe fn splat(from: *const bf16) -> __m512 {
        // SAFETY: two numbers of 2 bytes, at any alignment.
        unsafe { _mm512_castsi512_ps(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn add(sum: __m512, rows: __m512, items: __m512) -> __m512 {
        // SAFETY: no memory is accessed. The vectors have equal sizes, and every bit pattern is valid.
        unsafe {
            let [rows, items] = std::mem::transmute::<[__m512; 2], [__m512bh; 2]>([rows, items]);
            _mm512_dpbf16_ps(sum, rows, items)
        }
    }

    #[inline(always)]
    unsafe fn weigh(
        scores: *const f32,
        stride: usize,
        to: *mut f32,
        scale: __m512,
        max: __m512,
        sum: __m512,
    ) -> __m512 {
        // SAFETY: two vectors of scores are read before one of pairs is written.
        unsafe {
            let exponents = |from| _mm512_fmsub_ps(_mm512_loadu_ps(from), scale, max);
            let (first, second) = (exponents(scores), exponents(scores.add(stride)));
            let pair = pair(exp2(first), exp2(second));
            _mm512_storeu_ps(to, pair);
            Self::add(sum, pair, _mm512_castsi512_ps(_mm512_set1_epi32(ONES)))
        }
    }
}

/// `2^x` for `x <= 0`, with an error of 8e-5, which is 26 times smaller than the rounding to bf16. 0
/// for minus infinity; NaN stays NaN.
///
/// # Safety
/// The machine has AVX-512 F and DQ.
#[inline(always)]
unsafe fn exp2(x: __m512) -> __m512 {
    // Polynomial of degree 3 with the least relative error between 0 and 1 (Remez).
    const POLYNOMIAL: [f32; 3] = [2.260_671_6e-1, 6.958_335_4e-1, 9.999_252e-1];
    // Rounds down, as `_mm512_scalef_ps` does, without exceptions.
    const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    // SAFETY: the operations work lane by lane and access no memory.
    unsafe {
        let rest = _mm512_reduce_ps::<FLOOR>(x);
        let mut power = _mm512_set1_ps(7.802_452e-2);
        for coefficient in POLYNOMIAL {
            power = _mm512_fmadd_ps(power, rest, _mm512_set1_ps(coefficient));
        }
        _mm512_scalef_ps(power, x)
    }
}

/// Rounds two vectors to bf16 and interleaves them to pairs.
///
/// # Safety
/// The machine has AVX-512 F, BW and BF16.
#[inline(always)]
unsafe fn pair(first: __m512, second: __m512) -> __m512 {
    // Lane `l` of the first vector is number `l` here, lane `l` of the second is number `16 + l`.
    const ORDER: [u16; 32] = interleaved(0, 16);
    // SAFETY: only the constant is read, and both types of vector have 512 bits.
    unsafe {
        let halves: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(second, first));
        let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
        _mm512_castsi512_ps(_mm512_permutexvar_epi16(order, halves))
    }
}

/// `first, second, first + 1, second + 1, ..`
const fn interleaved(first: u16, second: u16) -> [u16; 32] {
    let mut order = [0; 32];
    let mut pair = 0;
    while pair < 16 {
        order[2 * pair] = first + pair as u16;
        order[2 * pair + 1] = second + pair as u16;
        pair += 1;
    }
    order
}

/// Converts the queries to pairs of features, in place.
///
/// # Safety
/// The machine has AVX-512 F, BW and BF16; the tile has passed its check.
#[inline(always)]
pub(super) unsafe fn prepare(tile: &mut Tile) {
    let (width, queries) = (tile.width(LANES), tile.queries.as_mut_ptr());
    for feature in (0..tile.head_dim).step_by(2) {
        for row in (0..width).step_by(LANES) {
            // SAFETY: features and rows lie within a matrix `[head_dim, width]` whose `head_dim` is
            // even. A row of pairs overwrites features that were read already.
            unsafe {
                let from = queries.add(feature * width + row);
                let pair = pair(_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(width)));
                _mm512_storeu_ps(queries.add(feature / 2 * width + row), pair);
            }
        }
    }
}

/// Adds a block to a tile with paired queries.
///
/// # Safety
/// The machine has AVX-512 F, BW, DQ and BF16; tile and block have passed their checks.
#[inline(always)]
pub(super) unsafe fn absorb<T: Load>(tile: &mut Tile, block: &Block<T>, packed: &mut [f32]) {
    let head_dim = tile.head_dim;
    // SAFETY: a float has the size of two bf16, and every bit pattern is valid. The length of a block
    // is checked, and a copy has the same length. `packed` holds `2 * SLOTS * head_dim` floats: a copy
    // takes half of them, and the pairs need another quarter.
    unsafe {
        let (copy, pairs) = packed.align_to_mut::<bf16>().1.split_at_mut(2 * SLOTS * head_dim);
        let block = T::halves(block, copy, head_dim);
        pack(block.values.as_ptr(), block.value_stride, block.count, head_dim, pairs.as_mut_ptr());
        let pairs = &pairs[..block.count.next_multiple_of(2) * head_dim];
        let block = Block { values: pairs, value_stride: 2 * head_dim, ..block };
        wide::absorb::<__m512, Pair, 8>(tile, &block);
    }
}

/// Values in pairs of slots, `[count / 2, head_dim, 2]`, rounded up. An odd last slot is paired with
/// zeros.
///
/// # Safety
/// The machine has AVX-512 F and BW; `values` holds `count` rows of `head_dim`, `stride` apart, and `pairs` is as long as it says.
#[inline(always)]
unsafe fn pack(values: *const bf16, stride: usize, count: usize, head_dim: usize, pairs: *mut bf16) {
    // Number `n` of the first slot has index `n`, number `n` of the second slot has index `32 + n`.
    const FIRST: [u16; 32] = interleaved(0, 32);
    const SECOND: [u16; 32] = interleaved(16, 48);
    // SAFETY: features are masked to `head_dim`, and so are the pairs of each vector.
    unsafe {
        let first = _mm512_loadu_si512(FIRST.as_ptr().cast());
        let second = _mm512_loadu_si512(SECOND.as_ptr().cast());
        for slot in (0..count).step_by(2) {
            for feature in (0..head_dim).step_by(2 * LANES) {
                let features = (head_dim - feature).min(2 * LANES);
                let mask = u32::MAX >> (2 * LANES - features);
                let from = values.add(slot * stride + feature).cast();
                let to = pairs.add(slot * head_dim + 2 * feature);
                let a = _mm512_maskz_loadu_epi16(mask, from);
                let both = if slot + 1 < count { mask } else { 0 };
                let b = _mm512_maskz_loadu_epi16(both, from.wrapping_add(stride));
                let low = u16::MAX >> LANES.saturating_sub(features);
                _mm512_mask_storeu_epi32(to.cast(), low, _mm512_permutex2var_epi16(a, first, b));
                if features > LANES {
                    let high = u16::MAX >> (2 * LANES - features);
                    let to = to.add(2 * LANES).cast();
                    _mm512_mask_storeu_epi32(to, high, _mm512_permutex2var_epi16(a, second, b));
                }
            }
        }
    }
}

/// Rounds rows that are `stride` apart to contiguous rows of `width` bf16, to nearest, ties to even.
/// Finite values stay finite.
///
/// # Safety
/// The machine has AVX-512 F, BW and BF16.
#[inline(always)]
pub(super) unsafe fn round(from: &[f32], stride: usize, to: &mut [bf16], width: usize) {
    let limit = f32::from(bf16::MAX);
    let whole = width / (2 * LANES) * (2 * LANES);
    for (row, to) in to.chunks_exact_mut(width).enumerate() {
        let from = &from[row * stride..][..width];
        for at in (0..whole).step_by(2 * LANES) {
            // SAFETY: 32 numbers from `at` on lie within both rows, which are `width` long.
            unsafe {
                let (low, high) = (_mm512_set1_ps(-limit), _mm512_set1_ps(limit));
                // NaN is passed as the second operand, which these instructions return.
                let clamp = |x| _mm512_min_ps(high, _mm512_max_ps(low, x));
                let from = from.as_ptr().add(at);
                let (first, second) = (clamp(_mm512_loadu_ps(from)), clamp(_mm512_loadu_ps(from.add(LANES))));
                let rounded = std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(second, first));
                _mm512_storeu_si512(to.as_mut_ptr().add(at).cast(), rounded);
            }
        }
        super::rounding::round(&from[whole..], &mut to[whole..]);
    }
}
