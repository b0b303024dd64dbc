//! Vectors of floats: what the kernels need of them, for each set of instructions.
//!
//! A part of the kernel: its `unsafe` says that the machine must have the instructions, and its loads and stores touch
//! [`Lanes::COUNT`] floats and nothing else.
#![allow(unsafe_code)]

/// A vector of [`Self::COUNT`] floats.
///
/// # Safety
/// Every function needs the instructions of the type that implements it; loads and stores need as many floats behind the
/// pointer as they say.
pub(super) trait Lanes: Copy {
    /// Floats in a vector.
    const COUNT: usize;
    /// A quarter of that.
    const QUARTER: usize = Self::COUNT / 4;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// As many bf16 as the vector has lanes, by their bits.
    unsafe fn load_bf16(from: *const u16) -> Self;
    /// Twice as many bf16 as the vector has lanes: those at even places, then those at odd ones. A pair of them is 32 bits, so
    /// that no number moves to another lane.
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2];
    /// As many int8 as the vector has lanes, by their bits.
    unsafe fn load_int8(from: *const u8) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger; `other` if either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// `self + left * right`, rounded once where the machine can.
    unsafe fn fma(self, left: Self, right: Self) -> Self;
    /// The last 8 bits of each float as the exponent of a power of two.
    unsafe fn low_bits_to_exponent(self) -> Self;
    /// The first [`Self::QUARTER`] vectors as one: four lanes hold the sums over every fourth lane of the first, the next four
    /// those of the second, and so on.
    unsafe fn quarters(vectors: [Self; 4]) -> Self;
    /// The sums over lanes of all vectors that went into `quarters`: vector `v` of quarter `q` is lane
    /// `QUARTER * q + v`.
    unsafe fn sums(quarters: [Self; 4]) -> Self;
    /// The sums over lanes of each, in the first four lanes.
    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [Self; 4]) -> Self {
        // As many quarters as hold four vectors, whose sums come first. SAFETY: no memory.
        unsafe {
            let zero = Self::splat(0.0);
            match Self::QUARTER {
                1 => Self::sums([a, b, c, d]),
                2 => {
                    let (ab, cd) = (Self::quarters([a, b, zero, zero]), Self::quarters([c, d, zero, zero]));
                    Self::sums([ab, cd, zero, zero])
                }
                _ => Self::sums([Self::quarters([a, b, c, d]), zero, zero, zero]),
            }
        }
    }
    /// The largest lane.
    unsafe fn largest(self) -> f32;
}

/// An array that the compiler vectorises as it can: four floats fit the registers of every machine.
#[derive(Clone, Copy)]
pub(super) struct Scalars([f32; 4]);

impl Scalars {
    /// Slots of a wide tile at a time: AArch64 has 32 registers for its sums, x86-64 without AVX has 16.
    pub(super) const SLOTS: usize = if cfg!(target_arch = "aarch64") { 8 } else { 3 };

    #[inline(always)]
    fn zip(self, other: Self, with: impl Fn(f32, f32) -> f32) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([with(a, e), with(b, f), with(c, g), with(d, h)])
    }
}

impl Lanes for Scalars {
    const COUNT: usize = 4;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: four floats, at any alignment.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: four numbers, at any alignment.
        let bits = unsafe { from.cast::<[u16; 4]>().read_unaligned() };
        Self(bits.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }
    #[inline(always)]
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2] {
        // SAFETY: eight numbers, at any alignment.
        let [a, b, c, d, e, f, g, h] = unsafe { from.cast::<[u16; 8]>().read_unaligned() };
        [[a, c, e, g], [b, d, f, h]].map(|side| Self(side.map(|bits| f32::from_bits(u32::from(bits) << 16))))
    }
    #[inline(always)]
    unsafe fn load_int8(from: *const u8) -> Self {
        // SAFETY: four bytes.
        let bytes = unsafe { from.cast::<[u8; 4]>().read_unaligned() };
        Self(bytes.map(|byte| f32::from(byte.cast_signed())))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: four floats, at any alignment.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn fma(self, left: Self, right: Self) -> Self {
        // Where a fused product is not an instruction, `mul_add` is a call.
        let fused = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
        let ([a, b, c, d], product) = (self.0, left.zip(right, |l, r| l * r).0);
        if !fused {
            return Self([a + product[0], b + product[1], c + product[2], d + product[3]]);
        }
        let (l, r) = (left.0, right.0);
        Self([l[0].mul_add(r[0], a), l[1].mul_add(r[1], b), l[2].mul_add(r[2], c), l[3].mul_add(r[3], d)])
    }
    #[inline(always)]
    unsafe fn low_bits_to_exponent(self) -> Self {
        self.zip(self, |a, _| f32::from_bits(a.to_bits() << 23))
    }
    #[inline(always)]
    unsafe fn quarters([vector, ..]: [Self; 4]) -> Self {
        vector
    }
    #[inline(always)]
    unsafe fn sums(quarters: [Self; 4]) -> Self {
        Self(quarters.map(|Self([a, b, c, d])| (a + c) + (b + d)))
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        self.0.into_iter().fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// The bits of the second bf16 of a pair, which are those of a float.
    const ODD: i32 = 0xffff_0000_u32 as i32;

    /// The functions that are one instruction each.
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
            // Four lanes of each are a row of a matrix of four by four, whose transposed rows are added.
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
}
