//! The vectors of x86-64.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::Lanes;

/// Mask of the second bf16 of a pair, whose bits are the upper half of a float.
const ODD: i32 = 0xffff_0000_u32 as i32;

/// The operations that are one instruction each.
macro_rules! instructions {
    ($vector:ty, $set1:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $mul:ident, $max:ident, $fma:ident) => {
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller has the instructions; nothing but registers is touched.
            unsafe { $set1(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: the caller has the instructions, and a whole vector of floats at any alignment.
            unsafe { $load(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: the caller has the instructions, and a whole vector of floats at any alignment.
            unsafe { $store(to, self) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: the caller has the instructions; nothing but registers is touched.
            unsafe { $add(self, other) }
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            // SAFETY: the caller has the instructions; nothing but registers is touched.
            unsafe { $sub(self, other) }
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: the caller has the instructions; nothing but registers is touched.
            unsafe { $mul(self, other) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: the caller has the instructions; nothing but registers is touched.
            unsafe { $max(self, other) }
        }
        #[inline(always)]
        unsafe fn fma(self, left: Self, right: Self) -> Self {
            // SAFETY: the caller has the instructions; nothing but registers is touched.
            unsafe { $fma(left, right, self) }
        }
    };
}

impl Lanes for __m512 {
    const COUNT: usize = 16;
    instructions!(
        __m512,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_max_ps,
        _mm512_fmadd_ps
    );
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: 16 numbers of 2 bytes.
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))
        }
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2] {
        // SAFETY: 32 numbers of 2 bytes.
        unsafe {
            let pairs = _mm512_loadu_si512(from.cast());
            let odd = _mm512_and_si512(pairs, _mm512_set1_epi32(ODD));
            [_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)), _mm512_castsi512_ps(odd)]
        }
    }
    #[inline(always)]
    unsafe fn load_int8(from: *const u8) -> Self {
        // SAFETY: 16 bytes.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn low_bits_to_exponent(self) -> Self {
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(self), 23)) }
    }
    #[inline(always)]
    unsafe fn quarters([a, b, c, d]: [Self; 4]) -> Self {
        // Halves, then quarters.
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe {
            let ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xEE));
            let cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xEE));
            _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xDD))
        }
    }
    #[inline(always)]
    unsafe fn sums([a, b, c, d]: [Self; 4]) -> Self {
        // Four lanes of each vector form a row of a 4 x 4 matrix. The rows of the transposed matrix are
        // added.
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe {
            let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            let all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_ps(order, all)
        }
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe { _mm512_reduce_max_ps(self) }
    }
}

impl Lanes for __m256 {
    const COUNT: usize = 8;
    instructions!(
        __m256,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_max_ps,
        _mm256_fmadd_ps
    );
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: 8 numbers of 2 bytes.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16))
        }
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2] {
        // SAFETY: 16 numbers of 2 bytes.
        unsafe {
            let pairs = _mm256_loadu_si256(from.cast());
            let odd = _mm256_and_si256(pairs, _mm256_set1_epi32(ODD));
            [_mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16)), _mm256_castsi256_ps(odd)]
        }
    }
    #[inline(always)]
    unsafe fn load_int8(from: *const u8) -> Self {
        // SAFETY: 8 bytes.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn low_bits_to_exponent(self) -> Self {
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(self), 23)) }
    }
    #[inline(always)]
    unsafe fn quarters([a, b, ..]: [Self; 4]) -> Self {
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe { _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31)) }
    }
    #[inline(always)]
    unsafe fn sums([a, b, c, d]: [Self; 4]) -> Self {
        // SAFETY: the caller has the instructions; nothing but registers is touched.
        unsafe {
            let all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            _mm256_permutevar8x32_ps(all, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
        }
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        let mut lanes = [0.0; 8];
        // SAFETY: eight floats.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), self) };
        lanes.into_iter().fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
    }
}
