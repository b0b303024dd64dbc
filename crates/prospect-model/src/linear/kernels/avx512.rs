//! AVX-512: 12 rows of a panel in 24 of the 32 registers.

use std::arch::x86_64::*;

use super::portable;
use super::tile::{FloatTile, Int8Tile, PANELS_AT_ONCE, RowSpan, Store, Target, with_count};
use crate::linear::panels::{Bf16Step, FloatSteps, GROUP, GROUP_QUADS, Int8Group, Int8Step, PANEL};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) fn quantise(row: &[f32], span: usize, bytes: &mut [[i8; GROUP]], spans: &mut [RowSpan]) {
    for ((values, bytes), row_span) in row.chunks(span * GROUP).zip(bytes.chunks_mut(span)).zip(spans) {
        let bytes = bytes.as_flattened_mut();
        *row_span = match values.len() == bytes.len() {
            true => quantise_whole(values.as_chunks().0, bytes.as_chunks_mut().0),
            false => portable::quantise_span(values, bytes),
        };
    }
}

/// As the portable one, to the same bits, in half the time: compilers do not see that a sum and a narrowing are each one step.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn quantise_whole(values: &[[f32; 16]], bytes: &mut [[i8; 16]]) -> RowSpan {
    let mut largest = _mm512_setzero_si512();
    for values in values {
        let magnitudes = _mm512_castps_si512(_mm512_abs_ps(load_f32x16(values)));
        largest = _mm512_max_epu32(largest, magnitudes);
    }
    let (scale, factor) = portable::scale_and_factor(f32::from_bits(_mm512_reduce_max_epu32(largest)));
    let (factor, mut sums) = (_mm512_set1_ps(factor), _mm512_setzero_si512());
    for (values, bytes) in values.iter().zip(bytes) {
        let rounded = _mm512_cvtps_epi32(_mm512_mul_ps(load_f32x16(values), factor));
        sums = _mm512_add_epi32(sums, rounded);
        // SAFETY: the array holds 16 bytes, one store; it asks for no alignment.
        unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(rounded)) };
    }
    // Where a value is not finite, the scale is NaN and whatever the sum is, too.
    RowSpan { scale, shift: _mm512_reduce_add_epi32(sums).wrapping_mul(-128) }
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
    (quads, row_spans): (&[i32], &[RowSpan]),
    (groups, span): (&[Int8Group], usize),
    bias: &[[f32; PANEL]],
    mut target: Target<'_>,
) {
    let quads = quads.as_chunks::<GROUP_QUADS>().0;
    let panel = |index: usize| &groups[index * quads.len()..][..quads.len()];
    let [first, second, third, fourth]: [&[Int8Group]; PANELS_AT_ONCE] = std::array::from_fn(panel);
    let mut outputs = [[_mm512_setzero_ps(); 2]; PANELS_AT_ONCE];
    for (outputs, bias) in outputs.iter_mut().zip(bias) {
        *outputs = load_f32x32(bias);
    }
    let panels = first.chunks(span).zip(second.chunks(span)).zip(third.chunks(span)).zip(fourth.chunks(span));
    for ((quads, row_span), (((first, second), third), fourth)) in
        quads.chunks(span).zip(row_spans).zip(panels)
    {
        let mut sums = [[_mm512_set1_epi32(row_span.shift); 2]; PANELS_AT_ONCE];
        for ((((quads, first), second), third), fourth) in
            quads.iter().zip(first).zip(second).zip(third).zip(fourth)
        {
            let groups = [first, second, third, fourth];
            for (index, input) in quads.iter().enumerate() {
                let input = _mm512_set1_epi32(*input);
                for (sums, group) in sums.iter_mut().zip(groups) {
                    let weights = load_int8_step(&group.steps[index]);
                    sums[0] = _mm512_dpbusd_epi32(sums[0], weights[0], input);
                    sums[1] = _mm512_dpbusd_epi32(sums[1], weights[1], input);
                }
            }
        }
        for ((outputs, sums), groups) in outputs.iter_mut().zip(sums).zip([first, second, third, fourth]) {
            add_span(outputs, sums, row_span.scale, widen(&groups[0].scales));
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

/// The sums of a span are in registers; the outputs, which they are added to once per span, lie in the L1 cache.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn int8_rows<const ROWS: usize>(tile: &Int8Tile<'_>, mut target: Target<'_>) {
    let mut outputs = [load_f32x32(tile.bias); ROWS];
    let quads = tile.quads.as_chunks::<ROWS>().0.as_chunks::<GROUP_QUADS>().0;
    let row_spans = tile.row_spans.as_chunks::<ROWS>().0;
    let spans = quads.chunks(tile.span).zip(tile.groups.chunks(tile.span));
    for ((quads, groups), row_spans) in spans.zip(row_spans) {
        let sums = span_sums(quads, row_spans, groups);
        let scales = widen(&groups[0].scales);
        for ((outputs, sums), row_span) in outputs.iter_mut().zip(sums).zip(row_spans) {
            add_span(outputs, sums, row_span.scale, scales);
        }
    }
    for (row, outputs) in outputs.iter().enumerate() {
        store_f32x32(&mut target, row, outputs);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn span_sums<const ROWS: usize>(
    quads: &[[[i32; ROWS]; GROUP_QUADS]],
    row_spans: &[RowSpan; ROWS],
    groups: &[Int8Group],
) -> [[__m512i; 2]; ROWS] {
    let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
    for (sums, row_span) in sums.iter_mut().zip(row_spans) {
        *sums = [_mm512_set1_epi32(row_span.shift); 2];
    }
    for (quads, group) in quads.iter().zip(groups) {
        for (inputs, step) in quads.iter().zip(&group.steps) {
            let weights = load_int8_step(step);
            for (sums, input) in sums.iter_mut().zip(inputs) {
                let input = _mm512_set1_epi32(*input);
                sums[0] = _mm512_dpbusd_epi32(sums[0], weights[0], input);
                sums[1] = _mm512_dpbusd_epi32(sums[1], weights[1], input);
            }
        }
    }
    sums
}

/// Adds the sums of a span to the outputs. No fused multiply and add, which would round once less than elsewhere.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_span(outputs: &mut [__m512; 2], sums: [__m512i; 2], row_scale: f32, scales: [__m512; 2]) {
    for ((output, sum), scale) in outputs.iter_mut().zip(sums).zip(scales) {
        let scale = _mm512_mul_ps(_mm512_set1_ps(row_scale), scale);
        *output = _mm512_add_ps(*output, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_f32x16(values: &[f32; 16]) -> __m512 {
    // SAFETY: the array holds 16 floats, one load; it asks for no alignment.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
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
