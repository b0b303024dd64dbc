//! AVX-512: 12 rows of a panel in 24 of the 32 registers.

use std::arch::x86_64::*;

use super::super::panels::{Bf16Step, Int8Channels, Int8Step, PANEL};
use super::{FloatSteps, FloatTile, GROUP, Int8Tile, Store, Target, portable, with_count};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) fn quantise(row: &[f32], flip: u8, bytes: &mut [u8]) -> f32 {
    portable::quantise(row, flip, bytes)
}

#[target_feature(enable = "avx512f")]
pub(super) fn float_tile(tile: &FloatTile<'_>, target: Target<'_>) {
    with_count!(tile, [1 2 3 4 5 6 7 8 9 10 11 12], float_rows(target));
}

#[target_feature(enable = "avx512f")]
fn float_rows<const ROWS: usize>(tile: &FloatTile<'_>, mut target: Target<'_>) {
    let (rows, bias) = (tile.rows.as_chunks::<ROWS>().0, load_f32x32(tile.bias));
    let sums = match tile.steps {
        FloatSteps::F32(steps) => float_sums(rows, steps, |step| load_f32x32(&step.0), bias),
        FloatSteps::Bf16(steps) => float_sums(rows, steps, |step| widen(step), bias),
    };
    for (row, sums) in sums.iter().enumerate() {
        store_f32x32(&mut target, row, sums);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn float_sums<const ROWS: usize, Step>(
    rows: &[[f32; ROWS]],
    steps: &[Step],
    load: impl Fn(&Step) -> [__m512; 2],
    bias: [__m512; 2],
) -> [[__m512; 2]; ROWS] {
    let mut sums = [bias; ROWS];
    for (inputs, step) in rows.iter().zip(steps) {
        let weights = load(step);
        for (sums, input) in sums.iter_mut().zip(inputs) {
            let input = _mm512_set1_ps(*input);
            sums[0] = _mm512_fmadd_ps(input, weights[0], sums[0]);
            sums[1] = _mm512_fmadd_ps(input, weights[1], sums[1]);
        }
    }
    // A copy, so that the sums of the loop need no address and stay in registers.
    sums.map(|sums| sums)
}

#[target_feature(enable = "avx512f")]
pub(super) fn float_group(row: &[f32], steps: FloatSteps<'_>, bias: &[[f32; PANEL]], mut target: Target<'_>) {
    let sums = match steps {
        FloatSteps::F32(steps) => float_group_sums(row, steps, |step| load_f32x32(&step.0), bias),
        FloatSteps::Bf16(steps) => float_group_sums(row, steps, |step| widen(step), bias),
    };
    for (panel, sums) in sums.iter().enumerate() {
        store_f32x32(&mut target, panel, sums);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn float_group_sums<Step>(
    row: &[f32],
    steps: &[Step],
    load: impl Fn(&Step) -> [__m512; 2],
    bias: &[[f32; PANEL]],
) -> [[__m512; 2]; GROUP] {
    let panel = |index: usize| &steps[index * row.len()..][..row.len()];
    let [first, second, third, fourth]: [&[Step]; GROUP] = std::array::from_fn(panel);
    let mut sums = [[_mm512_setzero_ps(); 2]; GROUP];
    for (sums, bias) in sums.iter_mut().zip(bias) {
        *sums = load_f32x32(bias);
    }
    for ((((input, first), second), third), fourth) in
        row.iter().zip(first).zip(second).zip(third).zip(fourth)
    {
        let input = _mm512_set1_ps(*input);
        for (sums, step) in sums.iter_mut().zip([first, second, third, fourth]) {
            let weights = load(step);
            sums[0] = _mm512_fmadd_ps(input, weights[0], sums[0]);
            sums[1] = _mm512_fmadd_ps(input, weights[1], sums[1]);
        }
    }
    sums.map(|sums| sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn int8_group(
    (row, scale): (&[i32], f32),
    steps: &[Int8Step],
    channels: &[Int8Channels],
    mut target: Target<'_>,
) {
    let panel = |index: usize| &steps[index * row.len()..][..row.len()];
    let [first, second, third, fourth]: [&[Int8Step]; GROUP] = std::array::from_fn(panel);
    let mut sums = [[_mm512_setzero_si512(); 2]; GROUP];
    for (sums, channels) in sums.iter_mut().zip(channels) {
        *sums = load_i32x32(&channels.shift);
    }
    for ((((input, first), second), third), fourth) in
        row.iter().zip(first).zip(second).zip(third).zip(fourth)
    {
        let input = _mm512_set1_epi32(*input);
        for (sums, step) in sums.iter_mut().zip([first, second, third, fourth]) {
            let weights = load_int8_step(step);
            sums[0] = _mm512_dpbusd_epi32(sums[0], input, weights[0]);
            sums[1] = _mm512_dpbusd_epi32(sums[1], input, weights[1]);
        }
    }
    for (panel, (sums, channels)) in sums.iter().zip(channels).enumerate() {
        store_f32x32(&mut target, panel, &finish(*sums, scale, channels));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn int8_tile(tile: &Int8Tile<'_>, target: Target<'_>) {
    with_count!(tile, [1 2 3 4 5 6 7 8 9 10 11 12], int8_rows(target));
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn int8_rows<const ROWS: usize>(tile: &Int8Tile<'_>, mut target: Target<'_>) {
    let channels = tile.channels;
    let mut sums = [load_i32x32(&channels.shift); ROWS];
    for (inputs, step) in tile.rows.as_chunks::<ROWS>().0.iter().zip(tile.steps) {
        let weights = load_int8_step(step);
        for (sums, input) in sums.iter_mut().zip(inputs) {
            let input = _mm512_set1_epi32(*input);
            sums[0] = _mm512_dpbusd_epi32(sums[0], input, weights[0]);
            sums[1] = _mm512_dpbusd_epi32(sums[1], input, weights[1]);
        }
    }
    // A copy, so that the sums of the loop need no address and stay in registers.
    let sums = sums.map(|sums| sums);
    for (row, (sums, scale)) in sums.into_iter().zip(tile.scales).enumerate() {
        store_f32x32(&mut target, row, &finish(sums, *scale, channels));
    }
}

/// Integer sums to outputs. No fused multiply and add, which would round once less than elsewhere.
#[inline]
#[target_feature(enable = "avx512f")]
fn finish(sums: [__m512i; 2], row_scale: f32, channels: &Int8Channels) -> [__m512; 2] {
    let (scales, bias) = (load_f32x32(&channels.scale), load_f32x32(&channels.bias));
    let finish = |half: usize| {
        let scale = _mm512_mul_ps(_mm512_set1_ps(row_scale), scales[half]);
        _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[half]), scale), bias[half])
    };
    [finish(0), finish(1)]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f32x32(values: &[f32; PANEL]) -> [__m512; 2] {
    // SAFETY: the array holds 32 floats, two loads of 16; unaligned loads ask for no alignment.
    unsafe { [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(16))] }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_i32x32(values: &[i32; PANEL]) -> [__m512i; 2] {
    // SAFETY: the array holds 32 integers, two loads of 16; unaligned loads ask for no alignment.
    unsafe { [_mm512_loadu_epi32(values.as_ptr()), _mm512_loadu_epi32(values.as_ptr().add(16))] }
}

/// A bf16 is the upper half of the f32 that it stands for.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen(step: &Bf16Step) -> [__m512; 2] {
    // SAFETY: the array holds 16 lanes of 32 bits, one load; unaligned loads ask for no alignment.
    let pairs = unsafe { _mm512_loadu_epi32(step.0.as_ptr().cast()) };
    let upper = _mm512_and_si512(pairs, _mm512_set1_epi32(!0xFFFF));
    [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(upper)]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_int8_step(step: &Int8Step) -> [__m512i; 2] {
    // SAFETY: the array holds 128 bytes, two loads of 64; unaligned loads ask for no alignment.
    unsafe { [_mm512_loadu_epi8(step.0.as_ptr()), _mm512_loadu_epi8(step.0.as_ptr().add(64))] }
}

/// # Panics
/// Where the target ends before this row does.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_f32x32(target: &mut Target<'_>, row: usize, values: &[__m512; 2]) {
    let store = target.store;
    for (output, value) in target.row(row).as_chunks_mut::<16>().0.iter_mut().zip(values) {
        // SAFETY: the array holds 16 floats, one load and one store; unaligned ones ask for no alignment.
        unsafe {
            let value = match store {
                Store::Replace => *value,
                Store::Add => _mm512_add_ps(_mm512_loadu_ps(output.as_ptr()), *value),
            };
            _mm512_storeu_ps(output.as_mut_ptr(), value);
        }
    }
}
