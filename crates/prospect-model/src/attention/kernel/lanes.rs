//! The vector operations that the kernels need, for each instruction set.
//!
//! This is part of the kernel: its `unsafe` functions require that the machine has the instructions,
//! and loads and stores access [`Lanes::COUNT`] floats and nothing else.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod x86;

/// A vector of [`Self::COUNT`] floats.
///
/// # Safety
/// Every function needs the instructions of the type that implements it; loads and stores need as many floats behind the
/// pointer as they say.
pub(super) trait Lanes: Copy {
    /// Number of floats in a vector.
    const COUNT: usize;
    /// A quarter of [`Self::COUNT`].
    const QUARTER: usize = Self::COUNT / 4;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Loads [`Self::COUNT`] bf16 values.
    unsafe fn load_bf16(from: *const u16) -> Self;
    /// Loads twice [`Self::COUNT`] bf16 values: first those at even positions, then those at odd ones.
    /// A pair occupies 32 bits, so no value changes its lane.
    unsafe fn load_bf16_pairs(from: *const u16) -> [Self; 2];
    /// Loads [`Self::COUNT`] int8 values.
    unsafe fn load_int8(from: *const u8) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger value; `other` if either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// `self + left * right`, with a single rounding if the machine has FMA.
    unsafe fn fma(self, left: Self, right: Self) -> Self;
    /// Moves the lowest 8 bits of each float into its exponent, which makes a power of two.
    unsafe fn low_bits_to_exponent(self) -> Self;
    /// Reduces the first [`Self::QUARTER`] vectors to one: four lanes hold the sums over every fourth
    /// lane of the first vector, the next four those of the second, and so on.
    unsafe fn quarters(vectors: [Self; 4]) -> Self;
    /// The sums over the lanes of all vectors that went into `quarters`: vector `v` of quarter `q` is
    /// lane `QUARTER * q + v`.
    unsafe fn sums(quarters: [Self; 4]) -> Self;
    /// The sums over the lanes of each vector, in the first four lanes.
    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [Self; 4]) -> Self {
        // Uses as many quarters as hold four vectors; their sums come first. SAFETY: no memory is
        // accessed.
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

/// A portable vector of four floats, which fits the registers of every machine. The compiler vectorizes
/// it.
#[derive(Clone, Copy)]
pub(super) struct Scalars([f32; 4]);

impl Scalars {
    /// Slots of a wide tile at a time: AArch64 has 32 registers for the sums, x86-64 without AVX has
    /// 16.
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
        // Without an FMA instruction, `mul_add` is a slow function call.
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
