//! Narrow tile: too few rows to fill a vector, so a lane is a feature. Queries and mixed values lie `[R, padded head_dim]`,
//! scores `[R, SLOTS]`; a key or value is read once for all rows.
#![allow(unsafe_code)]

use super::exponent::exp2;
use super::lanes::Lanes;
use super::{Block, Element, NARROW, SLOTS, Tile};

/// Takes a block into a tile.
///
/// # Safety
/// The machine has the instructions of `V`; tile and block have passed their checks.
#[inline(always)]
pub(super) unsafe fn absorb<V: Lanes, T: Element>(tile: &mut Tile, block: &Block<T>) {
    // SAFETY: the caller's bounds.
    unsafe {
        match tile.rows {
            1 => rows::<V, T, 1>(tile, block),
            2 => rows::<V, T, 2>(tile, block),
            3 => rows::<V, T, 3>(tile, block),
            _ => rows::<V, T, NARROW>(tile, block),
        }
    }
}

#[inline(always)]
unsafe fn rows<V: Lanes, T: Element, const R: usize>(tile: &mut Tile, block: &Block<T>) {
    // SAFETY: quads of slots stay within `SLOTS`, and a quad that ends behind the block reads its last slot again.
    unsafe {
        for quad in (0..block.count).step_by(4) {
            scores::<V, T, R>(tile, block, quad);
        }
    }
    for row in 0..R {
        // Up to a whole vector: what is behind the block weighs nothing.
        tile.scores[row * SLOTS + block.count..(row + 1) * SLOTS].fill(f32::NEG_INFINITY);
    }
    block.hide(tile.scores, |row, slot| row * SLOTS + slot);
    let (whole, padded) = (tile.head_dim / V::COUNT, tile.padded(V::COUNT));
    // SAFETY: vectors `0..whole` lie within `head_dim`, and the rest is read lane by lane.
    unsafe {
        for row in 0..R {
            softmax::<V>(tile, block.count, row);
        }
        let mut vector = 0;
        while vector + 4 <= whole {
            mix::<V, T, R, 4>(tile, block, vector, V::COUNT);
            vector += 4;
        }
        while vector < whole {
            mix::<V, T, R, 1>(tile, block, vector, V::COUNT);
            vector += 1;
        }
        if whole * V::COUNT < padded {
            mix::<V, T, R, 1>(tile, block, whole, tile.head_dim - whole * V::COUNT);
        }
    }
}

/// Scores of slots `quad..quad + 4`: touches whole padded query rows, four key rows and four scores a row.
#[inline(always)]
unsafe fn scores<V: Lanes, T: Element, const R: usize>(tile: &mut Tile, block: &Block<T>, quad: usize) {
    let (whole, rest, padded) = (tile.head_dim / V::COUNT, tile.head_dim % V::COUNT, tile.padded(V::COUNT));
    // SAFETY: the caller's bounds.
    unsafe {
        let mut keys = [block.keys.as_ptr(); 4];
        for (s, key) in keys.iter_mut().enumerate() {
            let slot = (quad + s).min(block.count - 1);
            *key = key.add(slot * block.key_stride);
            prefetch(block.values.as_ptr().wrapping_add(slot * block.value_stride), tile.head_dim);
        }
        let mut sums = [[V::splat(0.0); 4]; R];
        for vector in 0..whole + usize::from(rest > 0) {
            let mut key = [V::splat(0.0); 4];
            for (key, from) in key.iter_mut().zip(keys) {
                let from = from.add(vector * V::COUNT);
                *key = if vector < whole { T::load(from) } else { T::load_first(from, rest) };
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let query = V::load(tile.queries.as_ptr().add(row * padded + vector * V::COUNT));
                for (sum, key) in sums.iter_mut().zip(key) {
                    *sum = sum.fma(query, key);
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let at = row * SLOTS + quad;
            tile.scores[at..at + 4].copy_from_slice(&V::sums(sums));
        }
    }
}

/// As [`super::wide`] does for one row, whose scores lie behind each other: touches `SLOTS` scores and its entry of the state.
#[inline(always)]
unsafe fn softmax<V: Lanes>(tile: &mut Tile, count: usize, row: usize) {
    // SAFETY: the caller's bounds; whole vectors, because `SLOTS` is a multiple of every vector.
    unsafe {
        let scores = tile.scores.as_mut_ptr().add(row * SLOTS);
        let mut maxima = V::load(scores);
        for slot in (0..count).step_by(V::COUNT) {
            maxima = maxima.max(V::load(scores.add(slot)));
        }
        let (scale, max) =
            (V::splat(tile.scale), V::splat(tile.max[row]).max(maxima.mul(V::splat(tile.scale))));
        let max = max.largest();
        let mut sums = V::splat(0.0);
        for slot in (0..count).step_by(V::COUNT) {
            let weight = exp2(V::splat(-max).fma(V::load(scores.add(slot)), scale));
            weight.store(scores.add(slot));
            sums = sums.add(weight);
        }
        // `largest` takes the first lane, and here all are the same.
        let correction = exp2(V::splat(tile.max[row] - max)).largest();
        let zero = V::splat(0.0);
        tile.sum[row] = tile.sum[row] * correction + V::sums([sums, zero, zero, zero])[0];
        tile.max[row] = max;
        tile.correction[row] = correction;
    }
}

/// Mixes `N` vectors of features from `vector` on, the last of which has `lanes` of them: touches that much of the values and
/// of `R` mixed rows, and the weights.
#[inline(always)]
unsafe fn mix<V: Lanes, T: Element, const R: usize, const N: usize>(
    tile: &mut Tile,
    block: &Block<T>,
    vector: usize,
    lanes: usize,
) {
    let padded = tile.padded(V::COUNT);
    // SAFETY: the caller's bounds.
    unsafe {
        let mixed = tile.mixed.as_mut_ptr().add(vector * V::COUNT);
        let values = block.values.as_ptr().add(vector * V::COUNT);
        let mut sums = [[V::splat(0.0); N]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            let correction = V::splat(tile.correction[row]);
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = V::load(mixed.add(row * padded + n * V::COUNT)).mul(correction);
            }
        }
        for slot in 0..block.count {
            if vector == 0 {
                let next = (block.count + slot) * block.key_stride;
                prefetch(block.keys.as_ptr().wrapping_add(next), tile.head_dim);
            }
            let mut value = [V::splat(0.0); N];
            for (n, value) in value.iter_mut().enumerate() {
                let from = values.add(slot * block.value_stride + n * V::COUNT);
                *value = if lanes == V::COUNT { T::load(from) } else { T::load_first(from, lanes) };
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = V::splat(*tile.scores.as_ptr().add(row * SLOTS + slot));
                for (sum, value) in sums.iter_mut().zip(value) {
                    *sum = sum.fma(weight, value);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                sum.store(mixed.add(row * padded + n * V::COUNT));
            }
        }
    }
}

/// Asks for a row before it is needed: prefetching by the machine stops at the end of a page, and where keys give way to values.
#[inline(always)]
fn prefetch<T>(row: *const T, head_dim: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..head_dim * size_of::<T>()).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint, which touches no memory that is not there; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.cast::<i8>().wrapping_add(line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (row, head_dim);
}
