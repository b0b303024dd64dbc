//! Rows of int8 with one scale each: `head_dim` numbers from -127 to 127, followed by the bytes of an
//! f32 scale. A value is the product of its number and the scale.
//!
//! Each key and each value of a token and head has its own scale (token-wise quantization, Yao et al.
//! 2022, arXiv 2206.01861). A token is quantized once, when it is appended, and from its own values
//! only. Finite values stay finite. The error is at most half of the row's largest magnitude divided by
//! 127; in rows whose largest magnitude is below 4e-37 it is at most that magnitude.
#![allow(unsafe_code, reason = "in the macro that chooses the instructions")]

use crate::vectorised::vectorised;

/// Bytes of a scale.
pub(crate) const SCALE: usize = size_of::<f32>();

/// Bytes of a row.
pub(crate) const fn row_bytes(head_dim: usize) -> usize {
    head_dim + SCALE
}

/// The largest int8 number of a row.
const LARGEST: f32 = 127.0;

/// The scale of a row, from the bytes after its numbers; NaN if there are too few bytes.
#[inline(always)]
pub(crate) fn scale(behind: &[u8]) -> f32 {
    behind.first_chunk().map_or(f32::NAN, |bytes| f32::from_le_bytes(*bytes))
}

/// Adding this to a float leaves the nearest integer, ties to even, in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;

vectorised! {
    /// Quantizes a row into `[head_dim + SCALE]` bytes. If a value is NaN or infinite, the scale
    /// becomes NaN, and with it the whole row.
    pub(crate) fn quantise(from: &[f32], to: &mut [u8]) {
        let (numbers, behind) = to.split_at_mut(from.len());
        // Without sign bits, floats compare like their bits as integers; infinity and NaN are the
        // largest.
        let largest = from.iter().fold(0, |largest, x| (x.to_bits() & !(1 << 31)).max(largest));
        let largest = f32::from_bits(largest);
        // f32::MAX / 127 is rounded up, and 127 times the result would be infinite.
        let most = (f32::MAX / LARGEST).next_down();
        let scale = if largest.is_finite() { (largest / LARGEST).min(most) } else { f32::NAN };
        // If the scale is too small for a finite inverse, the sums are infinite or NaN, whose lowest
        // byte is 0.
        let inverse = scale.recip();
        for (to, from) in numbers.iter_mut().zip(from) {
            *to = (from * inverse + ROUNDER).to_bits() as u8;
        }
        behind.copy_from_slice(&scale.to_le_bytes());
    }
}

/// Dequantizes a row of `[head_dim + SCALE]` bytes.
pub(crate) fn dequantise(from: &[u8], to: &mut [f32]) {
    let (numbers, behind) = from.split_at(to.len());
    let scale = scale(behind);
    to.iter_mut().zip(numbers).for_each(|(to, from)| *to = f32::from(from.cast_signed()) * scale);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{SCALE, dequantise, quantise};

    fn there_and_back(row: &[f32]) -> Vec<f32> {
        let (mut bytes, mut back) = (vec![0; row.len() + SCALE], vec![0.0; row.len()]);
        quantise(row, &mut bytes);
        dequantise(&bytes, &mut back);
        back
    }

    #[test]
    fn the_largest_and_the_smallest_floats_stay_finite() {
        assert!((f32::MAX - there_and_back(&[f32::MAX, 1.0])[0]) / f32::MAX < 1e-6);
        assert_eq!(there_and_back(&[f32::MIN_POSITIVE, 0.0]), [0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn a_row_is_off_by_half_a_step(
            row in prop::collection::vec(-1.0..1f32, 1..80),
            exponent in -100..127i32,
        ) {
            let row: Vec<f32> = row.into_iter().map(|x| x * 2f32.powi(exponent)).collect();
            let step = row.iter().fold(0f32, |largest, x| largest.max(x.abs())) / 127.0;
            for (back, row) in there_and_back(&row).iter().zip(&row) {
                prop_assert!((back - row).abs() <= step * 0.500_01, "{row} became {back}");
            }
        }

        #[test]
        fn a_row_that_was_one_stays_so(row in prop::collection::vec(-1.0..1f32, 1..80)) {
            let once = there_and_back(&row);
            prop_assert_eq!(there_and_back(&once), once);
        }

        #[test]
        fn whatever_is_finite_stays_so(row in prop::collection::vec(any::<u32>().prop_map(f32::from_bits), 1..80)) {
            let finite = row.iter().all(|x| x.is_finite());
            for back in there_and_back(&row) {
                prop_assert!(back.is_finite() == finite && back.is_nan() != finite);
            }
        }
    }
}
