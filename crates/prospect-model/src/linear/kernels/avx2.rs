//! AVX2 and FMA: half a panel or a quarter of one at a time, so that the sums fit 16 registers.

use std::arch::x86_64::*;

use super::portable;
use super::tile::{FloatTile, Int8Tile, RowSpan, Store, Target, with_count};
use crate::linear::panels::{Bf16Step, FloatSteps, GROUP, GROUP_QUADS, Int8Group, Int8Step, PANEL};

#[target_feature(enable = "avx2,fma")]
pub(super) fn quantise(row: &[f32], span: usize, bytes: &mut [[i8; GROUP]], spans: &mut [RowSpan]) {
    portable::quantise(row, span, bytes, spans);
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn float_tile(tile: &FloatTile<'_>, target: Target<'_>) {
    with_count!(tile, [1 2 3 4 5 6], float_rows(target));
}

/// 6 rows of 16 channels fill 12 registers.
#[target_feature(enable = "avx2,fma")]
fn float_rows<const ROWS: usize>(tile: &FloatTile<'_>, mut target: Target<'_>) {
    let rows = tile.rows.as_chunks::<ROWS>().0;
    for half in 0..2 {
        let bias = load_half(tile.bias, half);
        let sums = match (tile.steps, half) {
            (FloatSteps::F32(steps), _) => float_sums(rows, steps, |step| load_half(&step.0, half), bias),
            (FloatSteps::Bf16(steps), 0) => float_sums(rows, steps, |step| widen_lower(step), bias),
            (FloatSteps::Bf16(steps), _) => float_sums(rows, steps, |step| widen_upper(step), bias),
        };
        for (row, sums) in sums.iter().enumerate() {
            store_half(&mut target, row, half, sums);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn float_sums<const ROWS: usize, Step>(
    rows: &[[f32; ROWS]],
    steps: &[Step],
    load: impl Fn(&Step) -> [__m256; 2],
    bias: [__m256; 2],
) -> [[__m256; 2]; ROWS] {
    let mut sums = [bias; ROWS];
    for (inputs, step) in rows.iter().zip(steps) {
        let weights = load(step);
        for (sums, input) in sums.iter_mut().zip(inputs) {
            let input = _mm256_set1_ps(*input);
            sums[0] = _mm256_fmadd_ps(input, weights[0], sums[0]);
            sums[1] = _mm256_fmadd_ps(input, weights[1], sums[1]);
        }
    }
    sums
}

#[target_feature(enable = "avx2,fma")]
pub(super) fn int8_tile(tile: &Int8Tile<'_>, target: Target<'_>) {
    with_count!(tile, [1 2 3], int8_rows(target));
}

/// `vpmaddubsw` multiplies unsigned by signed bytes and adds pairs in an i16, where 255 * 127 twice would saturate. So it
/// gets |weight| and the input with the weight's sign: 127 * 127 twice fits.
#[target_feature(enable = "avx2,fma")]
fn int8_rows<const ROWS: usize>(tile: &Int8Tile<'_>, mut target: Target<'_>) {
    let (lower, upper) = (load_half(tile.bias, 0), load_half(tile.bias, 1));
    let mut outputs = [[lower[0], lower[1], upper[0], upper[1]]; ROWS];
    let quads = tile.quads.as_chunks::<ROWS>().0.as_chunks::<GROUP_QUADS>().0;
    let row_spans = tile.row_spans.as_chunks::<ROWS>().0;
    let spans = quads.chunks(tile.span).zip(tile.groups.chunks(tile.span));
    for ((quads, groups), row_spans) in spans.zip(row_spans) {
        let mut sums = [[_mm256_setzero_si256(); 4]; ROWS];
        let steps = groups.iter().flat_map(|group| &group.steps);
        for (inputs, step) in quads.as_flattened().iter().zip(steps) {
            for quarter in 0..4 {
                let weights = load_quarter(step, quarter);
                let magnitudes = _mm256_abs_epi8(weights);
                for (sums, input) in sums.iter_mut().zip(inputs) {
                    let signed = _mm256_sign_epi8(_mm256_set1_epi32(*input), weights);
                    let pairs = _mm256_maddubs_epi16(magnitudes, signed);
                    let products = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
                    sums[quarter] = _mm256_add_epi32(sums[quarter], products);
                }
            }
        }
        let Some(Int8Group { scales, .. }) = groups.first() else { break };
        let (lower, upper) = (widen_lower(scales), widen_upper(scales));
        let scales = [lower[0], lower[1], upper[0], upper[1]];
        for ((outputs, sums), row_span) in outputs.iter_mut().zip(sums).zip(row_spans) {
            for ((output, sum), scale) in outputs.iter_mut().zip(sums).zip(scales) {
                let scale = _mm256_mul_ps(_mm256_set1_ps(row_span.scale), scale);
                *output = _mm256_add_ps(*output, _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale));
            }
        }
    }
    for (row, outputs) in outputs.iter().enumerate() {
        store_half(&mut target, row, 0, &[outputs[0], outputs[1]]);
        store_half(&mut target, row, 1, &[outputs[2], outputs[3]]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_half(values: &[f32; PANEL], half: usize) -> [__m256; 2] {
    let values: &[f32; 16] = &values.as_chunks().0[half];
    // SAFETY: the array holds 16 floats, two loads of 8; unaligned loads ask for no alignment.
    unsafe { [_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values.as_ptr().add(8))] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_pairs(step: &Bf16Step) -> [__m256i; 2] {
    let pairs = step.0.as_ptr().cast::<__m256i>();
    // SAFETY: the array holds 64 bytes, two loads of 32; unaligned loads ask for no alignment.
    unsafe { [_mm256_loadu_si256(pairs), _mm256_loadu_si256(pairs.add(1))] }
}

/// Channels 0 to 15. A bf16 is the upper half of the f32 that it stands for.
#[inline]
#[target_feature(enable = "avx2")]
fn widen_lower(step: &Bf16Step) -> [__m256; 2] {
    load_pairs(step).map(|pairs| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(pairs)))
}

/// Channels 16 to 31.
#[inline]
#[target_feature(enable = "avx2")]
fn widen_upper(step: &Bf16Step) -> [__m256; 2] {
    load_pairs(step).map(|pairs| _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(!0xFFFF))))
}

/// Signed weights of 8 channels.
#[inline]
#[target_feature(enable = "avx2")]
fn load_quarter(step: &Int8Step, quarter: usize) -> __m256i {
    let bytes: &[u8; 32] = &step.0.as_chunks().0[quarter];
    // SAFETY: the array holds 32 bytes, one load; unaligned loads ask for no alignment.
    let shifted = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
    _mm256_xor_si256(shifted, _mm256_set1_epi8(i8::MIN))
}

/// # Panics
/// Where the target ends before this row does.
#[inline]
#[target_feature(enable = "avx2")]
fn store_half(target: &mut Target<'_>, row: usize, half: usize, values: &[__m256; 2]) {
    let store = target.store;
    let output = &mut target.row(row)[half * 16..];
    for (output, value) in output.as_chunks_mut::<8>().0.iter_mut().zip(values) {
        // SAFETY: the array holds 8 floats, one load and one store; unaligned ones ask for no alignment.
        unsafe {
            let value = match store {
                Store::Replace => *value,
                Store::Add => _mm256_add_ps(_mm256_loadu_ps(output.as_ptr()), *value),
            };
            _mm256_storeu_ps(output.as_mut_ptr(), value);
        }
    }
}
