//! A rotation of features that spreads outliers before int8 rounds them: the Walsh-Hadamard transform of
//! each [`BLOCK`] values, after QuaRot (Ashkboos et al. 2024, arXiv 2404.00456).
//!
//! A few features of a language model are hundreds of times as large as the others. The largest value
//! of a group decides how coarsely the whole group is rounded. After the rotation, each value is a sum of
//! all values of its block with signs, so that none of them stands out. The rotation is orthogonal: a
//! product of two rotated vectors is the product of the vectors. It is also its own inverse.
#![allow(unsafe_code, reason = "in the macro that chooses the instructions")]

use crate::vectorised::vectorised;

/// Values that are rotated together, if their number is a multiple of it.
pub(crate) const BLOCK: usize = 64;

/// Lanes that one array of the fast path has. The widest vectors have as many.
const LANES: usize = 16;

/// Number of values that are rotated together, of so many: [`BLOCK`], or the largest power of two that
/// divides their number.
pub(crate) fn block(values: usize) -> usize {
    match values.is_multiple_of(BLOCK) {
        true => BLOCK,
        false => 1 << values.trailing_zeros(),
    }
}

vectorised! {
    /// Rotates each [`block`] of the values in place. Values up to `f32::MAX / 8` stay finite.
    pub(crate) fn rotate(values: &mut [f32]) {
        match block(values.len()) {
            BLOCK => values.as_chunks_mut().0.iter_mut().for_each(rotate_block),
            block => values.chunks_exact_mut(block).for_each(rotate_any),
        }
    }
}

/// The same sums as [`rotate_any`] in the same order, in steps that compilers turn into vector
/// instructions: lanes first, then the vectors of a block.
#[inline(always)]
fn rotate_block(values: &mut [f32; BLOCK]) {
    let scale = (BLOCK as f32).sqrt().recip();
    let mut vectors = [[0.0; LANES]; BLOCK / LANES];
    for (vector, values) in vectors.iter_mut().zip(values.as_chunks().0) {
        // Scaled first, so that no sum is larger than the result.
        let values = values.map(|value| value * scale);
        *vector = butterflies::<8>(butterflies::<4>(butterflies::<2>(butterflies::<1>(values))));
    }
    for lane in 0..LANES {
        let [a, b, c, d] = vectors.map(|vector| vector[lane]);
        let (a, b, c, d) = (a + b, a - b, c + d, c - d);
        for (index, sum) in [a + c, b + d, a - c, b - d].into_iter().enumerate() {
            values[index * LANES + lane] = sum;
        }
    }
}

/// Sum and difference of every two lanes that are `APART` lanes apart.
#[inline(always)]
fn butterflies<const APART: usize>(lanes: [f32; LANES]) -> [f32; LANES] {
    std::array::from_fn(|lane| {
        lanes[lane ^ APART] + if lane & APART == 0 { lanes[lane] } else { -lanes[lane] }
    })
}

/// Rotates values whose number is a power of two.
#[inline(always)]
fn rotate_any(values: &mut [f32]) {
    let scale = (values.len() as f32).sqrt().recip();
    values.iter_mut().for_each(|value| *value *= scale);
    let mut apart = 1;
    while apart < values.len() {
        for pair in values.chunks_exact_mut(2 * apart) {
            let (first, second) = pair.split_at_mut(apart);
            for (first, second) in first.iter_mut().zip(second) {
                (*first, *second) = (*first + *second, *first - *second);
            }
        }
        apart *= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, rotate, rotate_any};

    fn rotated(values: &[f32]) -> Vec<f32> {
        let mut rotated = values.to_vec();
        rotate(&mut rotated);
        rotated
    }

    fn product(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    #[test]
    fn an_outlier_is_spread_over_its_block() {
        let mut values = [0.0; 2 * BLOCK];
        values[BLOCK + 5] = 8.0;
        let values = rotated(&values);
        assert!(values[..BLOCK].iter().all(|value| *value == 0.0));
        assert!(values[BLOCK..].iter().all(|value| value.abs() == 1.0));
    }

    #[test]
    fn lengths_without_a_power_of_two_stay_as_they_are() {
        assert_eq!(rotated(&[1.0, 2.0, 3.0]), [1.0, 2.0, 3.0]);
        assert_eq!(rotated(&[]), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn whole_blocks_have_the_bits_of_the_plain_transform(
            values in prop::collection::vec(-1e3..1e3f32, BLOCK),
        ) {
            let mut expected = values.clone();
            rotate_any(&mut expected);
            prop_assert_eq!(rotated(&values), expected);
        }

        #[test]
        fn products_survive_and_the_rotation_is_its_own_inverse(
            values in prop::collection::vec((-1.0..1f32, -1.0..1f32), 1..260),
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) = values.into_iter().unzip();
            let before = product(&a, &b);
            let bound = 1e-5 * (product(&a, &a) * product(&b, &b)).sqrt();
            prop_assert!((product(&rotated(&a), &rotated(&b)) - before).abs() <= bound);
            for (back, a) in rotated(&rotated(&a)).iter().zip(&a) {
                prop_assert!((back - a).abs() <= 1e-5);
            }
        }
    }
}
