//! Rows of int8 with one scale each: `head_dim` numbers from -127 to 127, followed by the bytes of an
//! f32 scale. The product of a number and the scale is a value of the row after its
//! [rotation](crate::rotation), because a few features of keys are much larger than the others.
//!
//! Each key and each value of a token and head has its own scale (token-wise quantization, Yao et al.
//! 2022, arXiv 2206.01861). A token is quantized once, when it is appended, and from its own values
//! only. Values up to `f32::MAX / 8` stay finite. The error of a rotated value is at most half of the
//! largest rotated magnitude of the row divided by 127; in rows whose largest magnitude is below 4e-37
//! it is at most that magnitude.
#![allow(unsafe_code, reason = "in the macro that chooses the instructions")]

use crate::rotation::{BLOCK, rotate};
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

/// Quantizes a row into `[head_dim + SCALE]` bytes. If a value is NaN or infinite, the scale becomes
/// NaN, and with it the whole row.
pub(crate) fn quantise(from: &[f32], to: &mut [u8]) {
    const HEAD: usize = 2 * BLOCK;
    // The published head sizes fit, and need no memory of their own.
    match from.len() <= HEAD {
        true => {
            let mut row = [0.0; HEAD];
            let row = &mut row[..from.len()];
            row.copy_from_slice(from);
            quantise_rotated(row, to);
        }
        false => quantise_rotated(&mut from.to_vec(), to),
    }
}

fn quantise_rotated(row: &mut [f32], to: &mut [u8]) {
    rotate(row);
    round(row, to);
}

vectorised! {
    /// Rounds a row that has been rotated.
    pub(super) fn round(from: &[f32], to: &mut [u8]) {
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
    // The rotation is its own inverse.
    rotate(to);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LARGEST, SCALE, dequantise, quantise};
    use crate::rotation::rotate;

    fn there_and_back(row: &[f32]) -> Vec<f32> {
        let (mut bytes, mut back) = (vec![0; row.len() + SCALE], vec![0.0; row.len()]);
        quantise(row, &mut bytes);
        dequantise(&bytes, &mut back);
        back
    }

    #[test]
    fn the_largest_and_the_smallest_floats_stay_finite() {
        let largest = f32::MAX / 8.0;
        assert!(there_and_back(&[largest; 64]).iter().all(|back| (back / largest - 1.0).abs() < 1e-6));
        // Nothing is rotated in a row of one.
        assert!((f32::MAX - there_and_back(&[f32::MAX])[0]) / f32::MAX < 1e-6);
        assert_eq!(there_and_back(&[f32::MIN_POSITIVE, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn an_outlier_does_not_coarsen_its_row() {
        let mut row = [1.0; 64];
        row[7] = 1000.0;
        let back = there_and_back(&row);
        // Without the rotation, a step is 1000 / 127, and every 1 would become 0.
        let mut others = back.iter().enumerate().filter(|(feature, _)| *feature != 7);
        assert!(others.all(|(_, back)| (back - 1.0).abs() < 0.1), "{back:?}");
        assert!((back[7] - 1000.0).abs() < 1000.0 / LARGEST, "{back:?}");
    }

    proptest! {
        #[test]
        fn a_rotated_row_is_off_by_half_a_step(
            row in prop::collection::vec(-1.0..1f32, 1..200),
            exponent in -100..124i32,
        ) {
            let mut row: Vec<f32> = row.into_iter().map(|x| x * 2f32.powi(exponent)).collect();
            let mut back = there_and_back(&row);
            rotate(&mut row);
            rotate(&mut back);
            let step = row.iter().fold(0f32, |largest, x| largest.max(x.abs())) / LARGEST;
            for (back, row) in back.iter().zip(&row) {
                prop_assert!((back - row).abs() <= step * 0.501, "{row} became {back}");
            }
        }

        #[test]
        fn a_row_that_was_one_stays_so(row in prop::collection::vec(-1.0..1f32, 1..200)) {
            let once = there_and_back(&row);
            for (again, once) in there_and_back(&once).iter().zip(&once) {
                prop_assert!((again - once).abs() <= 1e-5, "{once} became {again}");
            }
        }

        #[test]
        fn whatever_is_finite_stays_so(row in prop::collection::vec(any::<u32>().prop_map(f32::from_bits), 1..200)) {
            // A rotated value may be eight times as large.
            let row: Vec<f32> = row.into_iter().map(|x| x / 8.0).collect();
            let finite = row.iter().all(|x| x.is_finite());
            for back in there_and_back(&row) {
                prop_assert!(back.is_finite() == finite && back.is_nan() != finite);
            }
        }
    }
}
