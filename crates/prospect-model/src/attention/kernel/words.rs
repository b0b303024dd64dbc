//! Narrow tile over int8 keys and values, with products of 16-bit integers (`vpdpwssd`): a lane
//! multiplies two numbers with two others and adds both products to an integer. This takes four times
//! fewer instructions than converting the bytes to floats.
//!
//! Queries, and weights multiplied by the scales of their values, are rounded to 16 bits. The error is
//! at most 1/65,534 of the largest number of a row or block. That is on average a hundredth of the
//! error of int8, and at worst a quarter of it (one large weight beside 127 that vanish). Integer sums
//! are exact.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::block::{Block, SLOTS};
use super::lanes::Lanes;
use super::narrow::{Products, prefetch};
use crate::attention::tile::Tile;

/// Products of 16-bit words.
pub(super) enum Words {}

/// 16-bit words in a vector.
const WORDS: usize = 32;

/// Features that are mixed in one step.
const TWO: usize = 2 * WORDS;

/// Largest supported head size.
const FEATURES: usize = 256;

/// Largest magnitude of a word.
const LARGEST: f32 = 32767.0;

/// Whether this head size is supported.
pub(super) fn suit(head_dim: usize) -> bool {
    head_dim.is_multiple_of(TWO) && head_dim <= FEATURES
}

/// Queries as words, and the scale of each row.
pub(super) struct Queries<const R: usize> {
    words: [[i16; FEATURES]; R],
    scale: [f32; R],
}

impl Products<__m512, u8> for Words {
    type Queries<const R: usize> = Queries<R>;

    #[inline(always)]
    unsafe fn queries<const R: usize>(tile: &Tile) -> Queries<R> {
        assert!(suit(tile.head_dim));
        let mut queries = Queries { words: [[0; FEATURES]; R], scale: [0.0; R] };
        // The features fill whole vectors, so rows have no padding.
        let rows = tile.queries.chunks_exact(tile.head_dim);
        for ((words, scale), row) in queries.words.iter_mut().zip(&mut queries.scale).zip(rows) {
            // SAFETY: the caller guarantees the instructions.
            *scale = unsafe { round(row, words) };
        }
        queries
    }

    #[inline(always)]
    unsafe fn quarter<const R: usize>(
        queries: &Queries<R>,
        tile: &Tile,
        keys: [*const u8; 4],
    ) -> [__m512; R] {
        // SAFETY: `head_dim` is a multiple of a vector's words, so only whole vectors of keys and words
        // are read.
        unsafe {
            let mut sums = [[_mm512_setzero_si512(); 4]; R];
            for feature in (0..tile.head_dim).step_by(WORDS) {
                let mut four = [_mm512_setzero_si512(); 4];
                for (four, key) in four.iter_mut().zip(keys) {
                    *four = widen(key.add(feature));
                }
                for (sums, query) in sums.iter_mut().zip(&queries.words) {
                    let query = _mm512_loadu_si512(query.as_ptr().add(feature).cast());
                    for (sum, key) in sums.iter_mut().zip(four) {
                        *sum = _mm512_dpwssd_epi32(*sum, query, key);
                    }
                }
            }
            let mut quarter = [__m512::splat(0.0); R];
            for ((quarter, sums), scale) in quarter.iter_mut().zip(sums).zip(queries.scale) {
                let mut floats = [__m512::splat(0.0); 4];
                for (float, sum) in floats.iter_mut().zip(sums) {
                    *float = _mm512_cvtepi32_ps(sum);
                }
                *quarter = __m512::quarters(floats).mul(__m512::splat(scale));
            }
            quarter
        }
    }

    #[inline(always)]
    unsafe fn mix<const R: usize>(tile: &mut Tile, block: &Block<u8>, ahead: usize) {
        // SAFETY: `SLOTS` weights per row; features and values lie within tile and block, as both
        // checks have verified.
        unsafe {
            let mut weights = [[0; SLOTS]; R];
            let mut scales = [0.0; R];
            for (row, (weights, scale)) in weights.iter_mut().zip(&mut scales).enumerate() {
                // Slots behind the block, up to a whole vector, have weight 0.
                let scores = &tile.scores[row * SLOTS..][..block.count.next_multiple_of(__m512::COUNT)];
                *scale = round(scores, weights);
            }
            for feature in (0..tile.head_dim).step_by(TWO) {
                let sums = sums(&weights, block, feature, ahead);
                for (row, (sums, scale)) in sums.iter().zip(scales).enumerate() {
                    let correction = __m512::splat(tile.correction[row]);
                    for (half, [low, high]) in sums.iter().enumerate() {
                        // Groups of four lanes: `low` has the first four words of every eight, `high`
                        // the others.
                        let (low, high) = (_mm512_cvtepi32_ps(*low), _mm512_cvtepi32_ps(*high));
                        for (part, order) in [FIRST, SECOND].iter().enumerate() {
                            let order = _mm512_loadu_si512(order.as_ptr().cast());
                            let sum = _mm512_permutex2var_ps(low, order, high);
                            let at = row * tile.head_dim + feature + half * WORDS + part * __m512::COUNT;
                            let mixed = tile.mixed.as_mut_ptr().add(at);
                            let before = __m512::load(mixed).mul(correction);
                            before.fma(sum, __m512::splat(scale)).store(mixed);
                        }
                    }
                }
            }
        }
    }
}

/// Indices of the first and of the last 16 of 32 features: four from one vector, four from the other
/// (from 16 on), and so on.
const FIRST: [u32; 16] = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const SECOND: [u32; 16] = [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31];

/// Sums over the slots of a block of weights and values, for `TWO` features from `feature` on.
///
/// # Safety
/// As [`Products::mix`].
#[inline(always)]
unsafe fn sums<const R: usize>(
    weights: &[[i16; SLOTS]; R],
    block: &Block<u8>,
    feature: usize,
    ahead: usize,
) -> [[[__m512i; 2]; 2]; R] {
    // SAFETY: rows of values lie within the block. Behind an odd last slot that slot is read again with
    // weight 0.
    unsafe {
        let mut sums = [[[_mm512_setzero_si512(); 2]; 2]; R];
        let values = block.values.as_ptr().add(feature);
        for slot in (0..block.count).step_by(2) {
            let first = values.add(slot * block.value_stride);
            let second = values.add((slot + 1).min(block.count - 1) * block.value_stride);
            prefetch(first.wrapping_add(ahead * block.value_stride), TWO);
            prefetch(second.wrapping_add(ahead * block.value_stride), TWO);
            let mut pairs = [[_mm512_setzero_si512(); 2]; 2];
            for (half, pairs) in pairs.iter_mut().enumerate() {
                let (first, second) = (widen(first.add(half * WORDS)), widen(second.add(half * WORDS)));
                *pairs = [_mm512_unpacklo_epi16(first, second), _mm512_unpackhi_epi16(first, second)];
            }
            for (sums, weights) in sums.iter_mut().zip(weights) {
                let both = _mm512_set1_epi32(weights.as_ptr().add(slot).cast::<i32>().read_unaligned());
                for (sum, pair) in sums.as_flattened_mut().iter_mut().zip(pairs.as_flattened()) {
                    *sum = _mm512_dpwssd_epi32(*sum, *pair, both);
                }
            }
        }
        sums
    }
}

/// Sign-extends bytes to 16-bit words.
///
/// # Safety
/// The machine has AVX-512 BW, and 32 bytes at `from` can be read.
#[inline(always)]
unsafe fn widen(from: *const u8) -> __m512i {
    // SAFETY: 32 bytes.
    unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
}

/// Rounds numbers to words and returns their scale, which is NaN unless all numbers are finite.
///
/// # Safety
/// The machine has AVX-512 F, BW and DQ.
#[inline(always)]
unsafe fn round(numbers: &[f32], to: &mut [i16]) -> f32 {
    let numbers = numbers.as_chunks::<16>().0;
    // SAFETY: only whole vectors of both slices are accessed.
    unsafe {
        let mut largest = _mm512_setzero_si512();
        for numbers in numbers {
            // Without sign bits, floats compare like their bits as integers; infinity and NaN are the
            // largest.
            let magnitudes = _mm512_abs_ps(_mm512_loadu_ps(numbers.as_ptr()));
            largest = _mm512_max_epu32(largest, _mm512_castps_si512(magnitudes));
        }
        let largest = f32::from_bits(_mm512_reduce_max_epu32(largest));
        // If there is no finite inverse, all numbers are close to 0.
        let inverse = Some(LARGEST / largest).filter(|inverse| inverse.is_finite()).unwrap_or(0.0);
        for (numbers, to) in numbers.iter().zip(to.as_chunks_mut::<16>().0) {
            let scaled = _mm512_mul_ps(_mm512_loadu_ps(numbers.as_ptr()), _mm512_set1_ps(inverse));
            let words = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(scaled));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), words);
        }
        if largest.is_finite() { largest / LARGEST } else { f32::NAN }
    }
}
