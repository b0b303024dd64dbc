//! Narrow tile: it has too few rows to fill a vector with rows, so a lane is a feature. Queries and
//! mixed values are `[R, padded head_dim]`, scores are `[R, SLOTS]`. A key or value is read once for
//! all rows.
#![allow(unsafe_code)]

use super::block::{Block, SLOTS};
use super::exponent::exp2;
use super::lanes::Lanes;
use super::load::Load;
use crate::attention::tile::Tile;

/// Most rows of a narrow tile.
pub(in crate::attention) const NARROW: usize = 4;

/// Prefetch distance in bytes of contiguous keys or values. Distances from 8 to 12 KB are equally fast.
const AHEAD: usize = 10 << 10;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Lanes of the widest vector.
const LANES: usize = 16;

/// The products of queries with keys and of weights with values.
///
/// # Safety
/// Every function needs the instructions of `V`, a tile and a block that have passed their checks, and
/// its own documented conditions.
pub(super) trait Products<V: Lanes, T: Load> {
    /// The queries of a tile in the form of these products, computed once per block.
    type Queries<const R: usize>;

    unsafe fn queries<const R: usize>(tile: &Tile) -> Self::Queries<R>;

    /// The scores of [`Lanes::QUARTER`] slots by row, in the form that [`Lanes::sums`] reduces. Reads
    /// whole padded query rows, and `head_dim` features of the first [`Lanes::QUARTER`] keys.
    unsafe fn quarter<const R: usize>(queries: &Self::Queries<R>, tile: &Tile, keys: [*const T; 4])
    -> [V; R];

    /// Mixes the values of a block with the weights, which stand in place of the scores.
    unsafe fn mix<const R: usize>(tile: &mut Tile, block: &Block<T>, ahead: usize);
}

/// Adds a block to a tile.
///
/// # Safety
/// The machine has the instructions of `V` and of `P`, and `P` supports this head size. Tile and block
/// have passed their checks.
#[inline(always)]
pub(super) unsafe fn absorb<V: Lanes, T: Load, P: Products<V, T>>(tile: &mut Tile, block: &Block<T>) {
    // SAFETY: the caller's bounds.
    unsafe {
        match tile.rows {
            1 => rows::<V, T, P, 1>(tile, block),
            2 => rows::<V, T, P, 2>(tile, block),
            3 => rows::<V, T, P, 3>(tile, block),
            _ => rows::<V, T, P, NARROW>(tile, block),
        }
    }
}

#[inline(always)]
unsafe fn rows<V: Lanes, T: Load, P: Products<V, T>, const R: usize>(tile: &mut Tile, block: &Block<T>) {
    let ahead = AHEAD.div_ceil(tile.head_dim * size_of::<T>());
    // SAFETY: whole vectors of slots stay within `SLOTS`.
    unsafe {
        let queries = P::queries::<R>(tile);
        for slot in (0..block.count).step_by(V::COUNT) {
            scores::<V, T, P, R>(&queries, tile, block, slot, ahead);
        }
        apply_scales::<V, T, R>(tile, block.keys, block.key_stride, block.count);
    }
    for row in 0..R {
        // The scores after the block, up to a whole vector, get weight 0.
        tile.scores[row * SLOTS + block.count..(row + 1) * SLOTS].fill(f32::NEG_INFINITY);
    }
    block.hide(tile.scores, |row, slot| row * SLOTS + slot);
    // SAFETY: the caller's bounds.
    unsafe {
        softmax::<V, R>(tile, block.count);
        apply_scales::<V, T, R>(tile, block.values, block.value_stride, block.count);
        P::mix::<R>(tile, block, ahead);
    }
}

/// Scores of a vector of slots from `first` on. Reads whole padded query rows and the key rows of these
/// slots that are in the block, and writes a vector of scores per row. For a slot behind the block the
/// last slot is read again.
#[inline(always)]
unsafe fn scores<V: Lanes, T: Load, P: Products<V, T>, const R: usize>(
    queries: &P::Queries<R>,
    tile: &mut Tile,
    block: &Block<T>,
    first: usize,
    ahead: usize,
) {
    // SAFETY: the caller's bounds.
    unsafe {
        let mut quarters = [[V::splat(0.0); 4]; R];
        for quarter in 0..4 {
            let slot = first + quarter * V::QUARTER;
            // At most four; pointers beyond the size of a quarter are never read.
            let mut keys = [block.keys.as_ptr(); 4];
            for (s, key) in keys[..V::QUARTER].iter_mut().enumerate() {
                *key = key.add((slot + s).min(block.count - 1) * block.key_stride);
                prefetch(key.wrapping_add(ahead * block.key_stride), tile.head_dim);
            }
            for (quarters, sums) in quarters.iter_mut().zip(P::quarter::<R>(queries, tile, keys)) {
                quarters[quarter] = sums;
            }
        }
        for (row, quarters) in quarters.into_iter().enumerate() {
            V::sums(quarters).store(tile.scores.as_mut_ptr().add(row * SLOTS + first));
        }
    }
}

/// Products of floats.
pub(super) enum Floats {}

impl<V: Lanes, T: Load> Products<V, T> for Floats {
    type Queries<const R: usize> = ();

    #[inline(always)]
    unsafe fn queries<const R: usize>(_: &Tile) {}

    #[inline(always)]
    unsafe fn quarter<const R: usize>((): &(), tile: &Tile, keys: [*const T; 4]) -> [V; R] {
        // SAFETY: the caller's bounds.
        unsafe {
            match tile.head_dim % (2 * V::COUNT) {
                0 => products::<V, T, R, true>(tile, keys),
                _ => products::<V, T, R, false>(tile, keys),
            }
        }
    }

    #[inline(always)]
    unsafe fn mix<const R: usize>(tile: &mut Tile, block: &Block<T>, ahead: usize) {
        let (whole, rest) = (tile.head_dim / (2 * V::COUNT), tile.head_dim % (2 * V::COUNT));
        // SAFETY: pairs of vectors `0..whole` lie within `head_dim`, and `rest` is what is behind them.
        unsafe {
            let mut two = 0;
            while two + 2 <= whole {
                mix::<V, T, R, 2>(tile, block, two, 2 * V::COUNT, ahead);
                two += 2;
            }
            if two < whole {
                mix::<V, T, R, 1>(tile, block, two, 2 * V::COUNT, ahead);
            }
            if rest > 0 {
                mix::<V, T, R, 1>(tile, block, whole, rest, ahead);
            }
        }
    }
}

/// `WHOLE` says that the features fill whole pairs of vectors.
#[inline(always)]
unsafe fn products<V: Lanes, T: Load, const R: usize, const WHOLE: bool>(
    tile: &Tile,
    keys: [*const T; 4],
) -> [V; R] {
    let (head_dim, padded) = (tile.head_dim, tile.padded(V::COUNT));
    // SAFETY: the caller's bounds.
    unsafe {
        let mut sums = [[V::splat(0.0); 4]; R];
        for feature in (0..head_dim).step_by(2 * V::COUNT) {
            let mut key = [[V::splat(0.0); 2]; 4];
            for (key, from) in key[..V::QUARTER].iter_mut().zip(keys) {
                let (from, rest) = (from.add(feature), head_dim - feature);
                *key = match WHOLE || rest >= 2 * V::COUNT {
                    true => T::load_two(from),
                    false => T::load_first(from, rest),
                };
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                for vector in 0..2 {
                    let at = row * padded + feature + vector * V::COUNT;
                    let query = V::load(tile.queries.as_ptr().add(at));
                    for (sum, key) in sums[..V::QUARTER].iter_mut().zip(key) {
                        *sum = sum.fma(query, key[vector]);
                    }
                }
            }
        }
        let mut quarter = [V::splat(0.0); R];
        for (quarter, sums) in quarter.iter_mut().zip(sums) {
            *quarter = V::quarters(sums);
        }
        quarter
    }
}

/// Multiplies the scores of `count` slots by the scales of the key or value rows. Reads these scales,
/// and writes whole vectors of scores.
#[inline(always)]
unsafe fn apply_scales<V: Lanes, T: Load, const R: usize>(
    tile: &mut Tile,
    rows: &[T],
    stride: usize,
    count: usize,
) {
    if T::SCALE == 0 {
        return;
    }
    // SAFETY: the caller's bounds: a row's scale follows its features, and `SLOTS` is a multiple of
    // every vector's length.
    unsafe {
        let mut scales = [0.0; SLOTS];
        let mut behind = rows.as_ptr().add(tile.head_dim);
        for scale in &mut scales[..count] {
            *scale = T::scale(std::slice::from_raw_parts(behind, T::SCALE));
            behind = behind.wrapping_add(stride);
        }
        for slot in (0..count).step_by(V::COUNT) {
            let scales = V::load(scales.as_ptr().add(slot));
            for row in 0..R {
                let score = tile.scores.as_mut_ptr().add(row * SLOTS + slot);
                V::load(score).mul(scales).store(score);
            }
        }
    }
}

/// As the softmax of [`super::wide`], for scores that are contiguous per row. Accesses whole vectors of
/// `SLOTS` scores per row and the state of `R` rows. Rows are interleaved, because a single row would
/// wait for each of its own steps.
#[inline(always)]
unsafe fn softmax<V: Lanes, const R: usize>(tile: &mut Tile, count: usize) {
    // SAFETY: the caller's bounds; whole vectors, because `SLOTS` is a multiple of every vector.
    unsafe {
        let scores = tile.scores.as_mut_ptr();
        let mut largest = [V::splat(f32::MIN); R];
        for slot in (0..count).step_by(V::COUNT) {
            for (row, largest) in largest.iter_mut().enumerate() {
                *largest = largest.max(V::load(scores.add(row * SLOTS + slot)));
            }
        }
        let scale = V::splat(tile.scale);
        let (mut max, mut old) = ([0.0; R], [0.0; LANES]);
        for (row, max) in max.iter_mut().enumerate() {
            *max = V::splat(tile.max[row]).max(largest[row].mul(scale)).largest();
            old[row] = tile.max[row] - *max;
        }
        let mut sums = [V::splat(0.0); 4];
        for slot in (0..count).step_by(V::COUNT) {
            for row in 0..R {
                let score = scores.add(row * SLOTS + slot);
                let weight = exp2(V::splat(-max[row]).fma(V::load(score), scale));
                weight.store(score);
                sums[row] = sums[row].add(weight);
            }
        }
        let (mut correction, mut sum) = ([0.0; LANES], [0.0; LANES]);
        exp2(V::load(old.as_ptr())).store(correction.as_mut_ptr());
        V::totals(sums).store(sum.as_mut_ptr());
        for row in 0..R {
            tile.sum[row] = tile.sum[row] * correction[row] + sum[row];
            tile.max[row] = max[row];
            tile.correction[row] = correction[row];
        }
    }
}

/// Mixes `N` pairs of vectors of features from pair `two` on; the last pair has `numbers` of them.
/// Accesses that part of the values and of `R` mixed rows, and the weights.
#[inline(always)]
unsafe fn mix<V: Lanes, T: Load, const R: usize, const N: usize>(
    tile: &mut Tile,
    block: &Block<T>,
    two: usize,
    numbers: usize,
    ahead: usize,
) {
    let padded = tile.padded(V::COUNT);
    // SAFETY: the caller's bounds.
    unsafe {
        let mixed = tile.mixed.as_mut_ptr().add(two * 2 * V::COUNT);
        let values = block.values.as_ptr().add(two * 2 * V::COUNT);
        let mut sums = [[[V::splat(0.0); 2]; N]; R];
        for (row, sums) in sums.iter_mut().enumerate() {
            let correction = V::splat(tile.correction[row]);
            for (n, sum) in sums.as_flattened_mut().iter_mut().enumerate() {
                *sum = V::load(mixed.add(row * padded + n * V::COUNT)).mul(correction);
            }
        }
        for slot in 0..block.count {
            let mut value = [[V::splat(0.0); 2]; N];
            for (n, value) in value.iter_mut().enumerate() {
                let from = values.add(slot * block.value_stride + n * 2 * V::COUNT);
                prefetch(from.wrapping_add(ahead * block.value_stride), 2 * V::COUNT);
                *value =
                    if numbers == 2 * V::COUNT { T::load_two(from) } else { T::load_first(from, numbers) };
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = V::splat(*tile.scores.as_ptr().add(row * SLOTS + slot));
                for (sum, value) in sums.as_flattened_mut().iter_mut().zip(value.as_flattened()) {
                    *sum = sum.fma(weight, *value);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.as_flattened().iter().enumerate() {
                sum.store(mixed.add(row * padded + n * V::COUNT));
            }
        }
    }
}

/// Prefetches some numbers of a row into the second-level cache. A prefetch into the first level waits
/// in one of the few buffers that loads need as well (measured: 16 against 22 GB/s). The hardware's own
/// prefetching stops at the end of a page and at the change from keys to values.
#[inline(always)]
pub(super) fn prefetch<T: Load>(from: *const T, numbers: usize) {
    // Rows with scales can begin anywhere in a cache line and then end in the next one.
    let step = if T::SCALE > 0 { LINE / 2 } else { LINE };
    #[cfg(target_arch = "x86_64")]
    for byte in (0..numbers * size_of::<T>()).step_by(step) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a prefetch is a hint that never faults; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast::<i8>().wrapping_add(byte)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (from, numbers, step);
}
