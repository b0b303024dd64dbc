//! Vectors of floats: what the kernels need of them, for each set of instructions.
//!
//! A part of the kernel: its `unsafe` says that the machine must have the instructions, and its loads and stores touch
//! [`Lanes::COUNT`] floats and nothing else.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod x86;

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
