//! The kernels with intrinsics, and the choice among them at run time.
//!
//! A kernel multiplies a tile of packed rows with one panel of weights. What it reads are arrays whose types carry their
//! length, so the only unsafe steps are the loads and stores of one register each, and the calls of functions that need
//! instructions which an [`Isa`] proves to be there.

#![allow(unsafe_code)]

use super::panels::{F32Step, Int8Channels, Int8Step, PANEL};
use super::{Precision, portable};

/// Instructions that a kernel may use. Only [`Isa::available`] makes one, after it has asked the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// AVX-512 F, BW, VL and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Panels that one row meets at once.
pub(super) const GROUP: usize = 4;

/// Rows of f32 and the panel that they meet.
pub(super) struct F32Tile<'a> {
    /// `[inputs, count]`
    pub(super) rows: &'a [f32],
    /// Rows of the tile, 1 to [`Isa::tile_rows`].
    pub(super) count: usize,
    /// `[inputs]`
    pub(super) steps: &'a [F32Step],
    pub(super) bias: &'a [f32; PANEL],
}

/// Quantised rows and the panel that they meet.
pub(super) struct Int8Tile<'a> {
    /// `[inputs / 4, count]`, four signed bytes each, combined with [`Isa::flip`].
    pub(super) rows: &'a [i32],
    /// Rows of the tile, 1 to [`Isa::tile_rows`].
    pub(super) count: usize,
    /// `[count]`
    pub(super) scales: &'a [f32],
    /// `[inputs / 4]`
    pub(super) steps: &'a [Int8Step],
    pub(super) channels: &'a Int8Channels,
}

/// Calls `$kernel::<count>` for the counts of one instruction set.
#[cfg(target_arch = "x86_64")]
macro_rules! with_count {
    ($tile:expr, [$($rows:literal)*], $kernel:ident($output:expr, $stride:expr)) => {
        match $tile.count {
            $($rows => $kernel::<$rows>($tile, $output, $stride),)*
            // `tile_rows` bounds the count; a tile without rows has nothing to do.
            _ => debug_assert!($tile.count == 0, "a tile of {} rows", $tile.count),
        }
    };
}

impl Isa {
    /// What this machine has, the fastest first; the last is always the portable one.
    #[cfg_attr(not(target_arch = "x86_64"), allow(clippy::vec_init_then_push))]
    pub(crate) fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Self(Kind::Avx512));
            }
            if avx2 {
                all.push(Self(Kind::Avx2));
            }
        }
        all.push(Self(Kind::Portable));
        all
    }

    /// The fastest that this machine has.
    pub(crate) fn detect() -> Self {
        Self::available().first().copied().unwrap_or(Self(Kind::Portable))
    }

    /// The most rows of a tile: as many as keep all sums in registers.
    pub(super) fn tile_rows(self, precision: Precision) -> usize {
        match (self.0, precision) {
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, _) => 12,
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, Precision::F32) => 6,
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, Precision::Int8) => 3,
            // Compilers keep the sums of one row in registers; those of two they spill.
            (Kind::Portable, _) => 1,
        }
    }

    /// What quantised inputs are combined with by exclusive or: VNNI multiplies unsigned by signed bytes, so its inputs are
    /// shifted by 128, and [`Int8Channels::shift`] takes the surplus out again.
    pub(super) fn flip(self) -> u8 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => 0x80,
            _ => 0,
        }
    }

    /// `output[row * stride + channel] = bias[channel] + rows * steps`, for whole panels.
    ///
    /// # Panics
    /// Where `output` ends before the last row does.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn f32_tile(self, tile: &F32Tile<'_>, output: &mut [f32], stride: usize) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this `Isa` exists only where the processor has the features of the function.
            Kind::Avx512 => unsafe { x86::f32_avx512(tile, output, stride) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { x86::f32_avx2(tile, output, stride) },
            Kind::Portable => f32_portable(tile, output),
        }
    }

    /// `output[row * stride + channel] = sum * (scales[row] * scale[channel]) + bias[channel]`, for whole panels. The sums are
    /// exact and the rest is two roundings everywhere, so that all instruction sets agree to the bit.
    ///
    /// # Panics
    /// Where `output` ends before the last row does.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn int8_tile(self, tile: &Int8Tile<'_>, output: &mut [f32], stride: usize) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this `Isa` exists only where the processor has the features of the function.
            Kind::Avx512 => unsafe { x86::int8_avx512(tile, output, stride) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { x86::int8_avx2(tile, output, stride) },
            Kind::Portable => int8_portable(tile, output),
        }
    }

    /// One row against [`GROUP`] panels at once, `output` `[GROUP * PANEL]`: several streams from memory are read faster than
    /// one. Tiles for one row and each of the panels give the same bits.
    ///
    /// Returns whether there is such a kernel; without one, nothing happens.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn f32_group(
        self,
        row: &[f32],
        steps: &[F32Step],
        bias: &[[f32; PANEL]],
        output: &mut [f32],
    ) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: this `Isa` exists only where the processor has the features of the function.
                unsafe { x86::f32_group_avx512(row, steps, bias, output) };
                true
            }
            _ => false,
        }
    }

    /// As [`Isa::f32_group`], for a quantised row.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn int8_group(
        self,
        (row, scale): (&[i32], f32),
        steps: &[Int8Step],
        channels: &[Int8Channels],
        output: &mut [f32],
    ) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: this `Isa` exists only where the processor has the features of the function.
                unsafe { x86::int8_group_avx512((row, scale), steps, channels, output) };
                true
            }
            _ => false,
        }
    }

    /// [`portable::quantise`], compiled for the widest registers.
    pub(super) fn quantise(self, row: &[f32], bytes: &mut [u8]) -> f32 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this `Isa` exists only where the processor has the features of the function.
            Kind::Avx512 => unsafe { x86::quantise_avx512(row, self.flip(), bytes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { x86::quantise_avx2(row, self.flip(), bytes) },
            Kind::Portable => portable::quantise(row, self.flip(), bytes),
        }
    }
}

/// A tile of the portable kernels has one row, see [`Isa::tile_rows`].
fn f32_portable(tile: &F32Tile<'_>, output: &mut [f32]) {
    debug_assert_eq!(tile.count, 1);
    output[..PANEL].copy_from_slice(&portable::f32_sums(tile));
}

fn int8_portable(tile: &Int8Tile<'_>, output: &mut [f32]) {
    debug_assert_eq!(tile.count, 1);
    let (sums, channels) = (portable::int8_sums(tile), tile.channels);
    for (channel, output) in output[..PANEL].iter_mut().enumerate() {
        let scale = tile.scales[0] * channels.scale[channel];
        *output = sums[channel] as f32 * scale + channels.bias[channel];
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::panels::{F32Step, Int8Channels, Int8Step, PANEL};
    use super::super::portable;
    use super::{F32Tile, GROUP, Int8Tile};

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
    pub(super) fn quantise_avx512(row: &[f32], flip: u8, bytes: &mut [u8]) -> f32 {
        portable::quantise(row, flip, bytes)
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn quantise_avx2(row: &[f32], flip: u8, bytes: &mut [u8]) -> f32 {
        portable::quantise(row, flip, bytes)
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn f32_avx512(tile: &F32Tile<'_>, output: &mut [f32], stride: usize) {
        with_count!(tile, [1 2 3 4 5 6 7 8 9 10 11 12], f32_rows_avx512(output, stride));
    }

    #[target_feature(enable = "avx512f")]
    fn f32_rows_avx512<const ROWS: usize>(tile: &F32Tile<'_>, output: &mut [f32], stride: usize) {
        let bias = load_f32x32(tile.bias);
        let mut sums = [bias; ROWS];
        for (inputs, F32Step(weights)) in tile.rows.as_chunks::<ROWS>().0.iter().zip(tile.steps) {
            let weights = load_f32x32(weights);
            for (sums, input) in sums.iter_mut().zip(inputs) {
                let input = _mm512_set1_ps(*input);
                sums[0] = _mm512_fmadd_ps(input, weights[0], sums[0]);
                sums[1] = _mm512_fmadd_ps(input, weights[1], sums[1]);
            }
        }
        // A copy, so that the sums of the loop need no address and stay in registers.
        let sums = sums.map(|sums| sums);
        for (row, sums) in sums.iter().enumerate() {
            store_f32x32(output, row * stride, sums);
        }
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn f32_group_avx512(
        row: &[f32],
        steps: &[F32Step],
        bias: &[[f32; PANEL]],
        output: &mut [f32],
    ) {
        let panel = |index: usize| &steps[index * row.len()..][..row.len()];
        let [first, second, third, fourth]: [&[F32Step]; GROUP] = std::array::from_fn(panel);
        let mut sums = [[_mm512_setzero_ps(); 2]; GROUP];
        for (sums, bias) in sums.iter_mut().zip(bias) {
            *sums = load_f32x32(bias);
        }
        for ((((input, first), second), third), fourth) in
            row.iter().zip(first).zip(second).zip(third).zip(fourth)
        {
            let input = _mm512_set1_ps(*input);
            for (sums, step) in sums.iter_mut().zip([first, second, third, fourth]) {
                let weights = load_f32x32(&step.0);
                sums[0] = _mm512_fmadd_ps(input, weights[0], sums[0]);
                sums[1] = _mm512_fmadd_ps(input, weights[1], sums[1]);
            }
        }
        for (panel, sums) in sums.iter().enumerate() {
            store_f32x32(output, panel * PANEL, sums);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn int8_group_avx512(
        (row, scale): (&[i32], f32),
        steps: &[Int8Step],
        channels: &[Int8Channels],
        output: &mut [f32],
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
                let weights = load_step_avx512(step);
                sums[0] = _mm512_dpbusd_epi32(sums[0], input, weights[0]);
                sums[1] = _mm512_dpbusd_epi32(sums[1], input, weights[1]);
            }
        }
        for (panel, (sums, channels)) in sums.iter().zip(channels).enumerate() {
            store_f32x32(output, panel * PANEL, &finish_avx512(*sums, scale, channels));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn int8_avx512(tile: &Int8Tile<'_>, output: &mut [f32], stride: usize) {
        with_count!(tile, [1 2 3 4 5 6 7 8 9 10 11 12], int8_rows_avx512(output, stride));
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn int8_rows_avx512<const ROWS: usize>(tile: &Int8Tile<'_>, output: &mut [f32], stride: usize) {
        let channels = tile.channels;
        let mut sums = [load_i32x32(&channels.shift); ROWS];
        for (inputs, step) in tile.rows.as_chunks::<ROWS>().0.iter().zip(tile.steps) {
            let weights = load_step_avx512(step);
            for (sums, input) in sums.iter_mut().zip(inputs) {
                let input = _mm512_set1_epi32(*input);
                sums[0] = _mm512_dpbusd_epi32(sums[0], input, weights[0]);
                sums[1] = _mm512_dpbusd_epi32(sums[1], input, weights[1]);
            }
        }
        // A copy, so that the sums of the loop need no address and stay in registers.
        let sums = sums.map(|sums| sums);
        for (row, (sums, scale)) in sums.into_iter().zip(tile.scales).enumerate() {
            store_f32x32(output, row * stride, &finish_avx512(sums, *scale, channels));
        }
    }

    /// Integer sums to outputs. No fused multiply and add, which would round once less than elsewhere.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn finish_avx512(sums: [__m512i; 2], row_scale: f32, channels: &Int8Channels) -> [__m512; 2] {
        let (scales, bias) = (load_f32x32(&channels.scale), load_f32x32(&channels.bias));
        let finish = |half: usize| {
            let scale = _mm512_mul_ps(_mm512_set1_ps(row_scale), scales[half]);
            _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[half]), scale), bias[half])
        };
        [finish(0), finish(1)]
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn f32_avx2(tile: &F32Tile<'_>, output: &mut [f32], stride: usize) {
        with_count!(tile, [1 2 3 4 5 6], f32_rows_avx2(output, stride));
    }

    /// Half a panel at a time: 6 rows of 16 channels fill 12 of the 16 registers.
    #[target_feature(enable = "avx2,fma")]
    fn f32_rows_avx2<const ROWS: usize>(tile: &F32Tile<'_>, output: &mut [f32], stride: usize) {
        for half in 0..2 {
            let bias = load_half_avx2(tile.bias, half);
            let mut sums = [bias; ROWS];
            for (inputs, F32Step(weights)) in tile.rows.as_chunks::<ROWS>().0.iter().zip(tile.steps) {
                let weights = load_half_avx2(weights, half);
                for (sums, input) in sums.iter_mut().zip(inputs) {
                    let input = _mm256_set1_ps(*input);
                    sums[0] = _mm256_fmadd_ps(input, weights[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(input, weights[1], sums[1]);
                }
            }
            let sums = sums.map(|sums| sums);
            for (row, sums) in sums.iter().enumerate() {
                store_half_avx2(output, row * stride + half * 16, sums);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn int8_avx2(tile: &Int8Tile<'_>, output: &mut [f32], stride: usize) {
        with_count!(tile, [1 2 3], int8_rows_avx2(output, stride));
    }

    /// `vpmaddubsw` multiplies unsigned by signed bytes and adds pairs in an i16, where 255 * 127 twice would saturate. So it
    /// gets |weight| and the input with the weight's sign: 127 * 127 twice fits.
    #[target_feature(enable = "avx2,fma")]
    fn int8_rows_avx2<const ROWS: usize>(tile: &Int8Tile<'_>, output: &mut [f32], stride: usize) {
        let channels = tile.channels;
        let ones = _mm256_set1_epi16(1);
        let mut sums = [[_mm256_setzero_si256(); 4]; ROWS];
        for (inputs, step) in tile.rows.as_chunks::<ROWS>().0.iter().zip(tile.steps) {
            for quarter in 0..4 {
                let weights = load_quarter_avx2(step, quarter);
                let magnitudes = _mm256_abs_epi8(weights);
                for (sums, input) in sums.iter_mut().zip(inputs) {
                    let signed = _mm256_sign_epi8(_mm256_set1_epi32(*input), weights);
                    let pairs = _mm256_maddubs_epi16(magnitudes, signed);
                    sums[quarter] = _mm256_add_epi32(sums[quarter], _mm256_madd_epi16(pairs, ones));
                }
            }
        }
        for half in 0..2 {
            let (scales, bias) =
                (load_half_avx2(&channels.scale, half), load_half_avx2(&channels.bias, half));
            for (row, (sums, scale)) in sums.iter().zip(tile.scales).enumerate() {
                let row_scale = _mm256_set1_ps(*scale);
                let finished: [__m256; 2] = std::array::from_fn(|part| {
                    let scale = _mm256_mul_ps(row_scale, scales[part]);
                    let sum = _mm256_cvtepi32_ps(sums[half * 2 + part]);
                    _mm256_add_ps(_mm256_mul_ps(sum, scale), bias[part])
                });
                store_half_avx2(output, row * stride + half * 16, &finished);
            }
        }
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

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn load_step_avx512(step: &Int8Step) -> [__m512i; 2] {
        // SAFETY: the array holds 128 bytes, two loads of 64; unaligned loads ask for no alignment.
        unsafe { [_mm512_loadu_epi8(step.0.as_ptr()), _mm512_loadu_epi8(step.0.as_ptr().add(64))] }
    }

    /// # Panics
    /// Where fewer than 32 values follow `start`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store_f32x32(output: &mut [f32], start: usize, values: &[__m512; 2]) {
        let output = &mut output[start..][..PANEL];
        // SAFETY: the slice was cut to 32 floats, two stores of 16; unaligned stores ask for no alignment.
        unsafe {
            _mm512_storeu_ps(output.as_mut_ptr(), values[0]);
            _mm512_storeu_ps(output.as_mut_ptr().add(16), values[1]);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_half_avx2(values: &[f32; PANEL], half: usize) -> [__m256; 2] {
        let values: &[f32; 16] = &values.as_chunks().0[half];
        // SAFETY: the array holds 16 floats, two loads of 8; unaligned loads ask for no alignment.
        unsafe { [_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values.as_ptr().add(8))] }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load_quarter_avx2(step: &Int8Step, quarter: usize) -> __m256i {
        let bytes: &[i8; 32] = &step.0.as_chunks().0[quarter];
        // SAFETY: the array holds 32 bytes, one load; unaligned loads ask for no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// # Panics
    /// Where fewer than 16 values follow `start`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_half_avx2(output: &mut [f32], start: usize, values: &[__m256; 2]) {
        let output = &mut output[start..][..16];
        // SAFETY: the slice was cut to 16 floats, two stores of 8; unaligned stores ask for no alignment.
        unsafe {
            _mm256_storeu_ps(output.as_mut_ptr(), values[0]);
            _mm256_storeu_ps(output.as_mut_ptr().add(8), values[1]);
        }
    }
}
