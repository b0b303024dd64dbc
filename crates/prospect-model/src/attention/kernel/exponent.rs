//! Powers of two, for the softmax.
#![allow(unsafe_code)]

use super::lanes::Lanes;

/// `2^x` for `x <= 0`: exact at 0, with a relative error of 2e-9 before rounding, and 0 below -127. NaN
/// stays NaN.
///
/// The integer part becomes the exponent: adding a large constant leaves it in the lowest bits. The
/// remainder, between -0.5 and 0.5, goes through the polynomial of degree 6 with the least relative
/// error (Remez).
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn exp2<V: Lanes>(x: V) -> V {
    // With 1.5 * 2^23 the lowest bit of a float counts ones; 127 is the bias of the exponent.
    const WHOLE: f32 = 12_582_912.0 + 127.0;
    const POLYNOMIAL: [f32; 6] =
        [1.339_993_1e-3, 9.618_489e-3, 5.550_328_8e-2, 2.402_264_7e-1, 6.931_472e-1, 1.0];
    // SAFETY: the operations work lane by lane and access no memory.
    unsafe {
        let x = V::splat(-127.0).max(x);
        let shifted = x.add(V::splat(WHOLE));
        let rest = x.sub(shifted.sub(V::splat(WHOLE)));
        let mut power = V::splat(1.534_581_2e-4);
        for coefficient in POLYNOMIAL {
            power = V::splat(coefficient).fma(power, rest);
        }
        power.mul(shifted.low_bits_to_exponent())
    }
}
