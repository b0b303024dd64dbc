//! AVX-512: 12 rows of a panel in 24 of the 32 registers.

use std::arch::x86_64::*;

use super::super::panels::{Bf16Step, GROUP, GROUP_QUADS, Int8Group, Int8Step, PANEL};
use super::{FloatSteps, FloatTile, Int8Tile, PANELS_AT_ONCE, RowGroup, Store, Target, portable, with_count};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) fn quantise(row: &[f32], bytes: &mut [[i8; GROUP]], groups: &mut [RowGroup]) {
    portable::quantise(row, bytes, groups);
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
    sums
}

#[target_feature(enable = "avx512f")]
pub(super) fn float_panels(
    row: &[f32],
    steps: FloatSteps<'_>,
    bias: &[[f32; PANEL]],
    mut target: Target<'_>,
) {
    let sums = match steps {
        FloatSteps::F32(steps) => float_panels_sums(row, steps, |step| load_f32x32(&step.0), bias),
        FloatSteps::Bf16(steps) => float_panels_sums(row, steps, |step| widen(step), bias),
    };
    for (panel, sums) in sums.iter().enumerate() {
        store_f32x32(&mut target, panel, sums);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn float_panels_sums<Step>(
    row: &[f32],
    steps: &[Step],
    load: impl Fn(&Step) -> [__m512; 2],
    bias: &[[f32; PANEL]],
) -> [[__m512; 2]; PANELS_AT_ONCE] {
    let panel = |index: usize| &steps[index * row.len()..][..row.len()];
    let [first, second, third, fourth]: [&[Step]; PANELS_AT_ONCE] = std::array::from_fn(panel);
    let mut sums = [[_mm512_setzero_ps(); 2]; PANELS_AT_ONCE];
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
    sums
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn int8_panels(
    (quads, row_groups): (&[i32], &[RowGroup]),
    groups: &[Int8Group],
    bias: &[[f32; PANEL]],
    mut target: Target<'_>,
) {
    let panel = |index: usize| &groups[index * row_groups.len()..][..row_groups.len()];
    let [first, second, third, fourth]: [&[Int8Group]; PANELS_AT_ONCE] = std::array::from_fn(panel);
    let mut outputs = [[_mm512_setzero_ps(); 2]; PANELS_AT_ONCE];
    for (outputs, bias) in outputs.iter_mut().zip(bias) {
        *outputs = load_f32x32(bias);
    }
    let panels = first.iter().zip(second).zip(third).zip(fourth);
    let row = quads.as_chunks::<GROUP_QUADS>().0.iter().zip(row_groups);
    for ((quads, row_group), (((first, second), third), fourth)) in row.zip(panels) {
        let groups = [first, second, third, fourth];
        let mut sums = [[_mm512_set1_epi32(row_group.shift); 2]; PANELS_AT_ONCE];
        for (index, input) in quads.iter().enumerate() {
            let input = _mm512_set1_epi32(*input);
            for (sums, group) in sums.iter_mut().zip(groups) {
                let weights = load_int8_step(&group.steps[index]);
                sums[0] = _mm512_dpbusd_epi32(sums[0], weights[0], input);
                sums[1] = _mm512_dpbusd_epi32(sums[1], weights[1], input);
            }
        }
        for ((outputs, sums), group) in outputs.iter_mut().zip(sums).zip(groups) {
            add_group(outputs, sums, row_group.scale, widen(&group.scales));
        }
    }
    for (panel, outputs) in outputs.iter().enumerate() {
        store_f32x32(&mut target, panel, outputs);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn int8_tile(tile: &Int8Tile<'_>, target: Target<'_>) {
    with_count!(tile, [1 2 3 4 5 6 7 8 9 10 11 12], int8_rows(target));
}

/// The sums of a group are in registers; the outputs, which they are added to once per group, lie in the L1 cache.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn int8_rows<const ROWS: usize>(tile: &Int8Tile<'_>, mut target: Target<'_>) {
    let mut outputs = [load_f32x32(tile.bias); ROWS];
    let quads = tile.quads.as_chunks::<ROWS>().0.as_chunks::<GROUP_QUADS>().0;
    let row_groups = tile.row_groups.as_chunks::<ROWS>().0;
    for ((quads, row_groups), group) in quads.iter().zip(row_groups).zip(tile.groups) {
        let sums = group_sums(quads, row_groups, group);
        let scales = widen(&group.scales);
        for ((outputs, sums), row_group) in outputs.iter_mut().zip(sums).zip(row_groups) {
            add_group(outputs, sums, row_group.scale, scales);
        }
    }
    for (row, outputs) in outputs.iter().enumerate() {
        store_f32x32(&mut target, row, outputs);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn group_sums<const ROWS: usize>(
    quads: &[[i32; ROWS]; GROUP_QUADS],
    row_groups: &[RowGroup; ROWS],
    group: &Int8Group,
) -> [[__m512i; 2]; ROWS] {
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    for (sums, row_group) in sums.iter_mut().zip(row_groups) {
        *sums = [_mm512_set1_epi32(row_group.shift); 2];
    }
    for (inputs, step) in quads.iter().zip(&group.steps) {
        let weights = load_int8_step(step);
        for (sums, input) in sums.iter_mut().zip(inputs) {
            let input = _mm512_set1_epi32(*input);
            sums[0] = _mm512_dpbusd_epi32(sums[0], weights[0], input);
            sums[1] = _mm512_dpbusd_epi32(sums[1], weights[1], input);
        }
    }
    sums
}

/// Adds the sums of a group to the outputs. No fused multiply and add, which would round once less than elsewhere.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_group(outputs: &mut [__m512; 2], sums: [__m512i; 2], row_scale: f32, scales: [__m512; 2]) {
    for ((output, sum), scale) in outputs.iter_mut().zip(sums).zip(scales) {
        let scale = _mm512_mul_ps(_mm512_set1_ps(row_scale), scale);
        *output = _mm512_add_ps(*output, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f32x32(values: &[f32; PANEL]) -> [__m512; 2] {
    // SAFETY: the array holds 32 floats, two loads of 16; unaligned loads ask for no alignment.
    unsafe { [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(16))] }
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
    let bytes = step.0.as_ptr().cast::<i8>();
    // SAFETY: the array holds 128 bytes, two loads of 64; unaligned loads ask for no alignment.
    unsafe { [_mm512_loadu_epi8(bytes), _mm512_loadu_epi8(bytes.add(64))] }
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
