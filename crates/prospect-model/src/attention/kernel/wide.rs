//! Wide tile: a lane is a query row, and a tile has `N` vectors of rows. Keys and values are read in
//! place, 32 bits at a time for a vector of rows, so the softmax needs no sums across lanes.
//!
//! Queries and mixed values are `[head_dim, N * lanes]`, scores are `[SLOTS, N * lanes]`. A [`Product`]
//! says what the 32 bits are: one float, or two bf16. For bf16, queries and weights are stored in
//! pairs, `[head_dim / 2, N * lanes]` and `[SLOTS / 2, N * lanes]`, in the first half of their memory.
#![allow(unsafe_code)]

use super::block::{Block, SLOTS};
use super::exponent::exp2;
use super::lanes::Lanes;
use crate::attention::tile::Tile;

/// Vectors of query rows in a full wide tile.
pub(super) const WIDE: usize = 3;

/// Multiplies 32 bits of a key or of values with those of a vector of rows.
///
/// # Safety
/// Every function needs the instructions of `V`, and accesses the memory that it documents.
pub(super) trait Product<V: Lanes> {
    /// Type of keys and values.
    type Number;
    /// Number of them in 32 bits.
    const PACKED: usize;
    /// Number of products that are summed before the sum is added to the total.
    const RUN: usize;
    /// Loads [`Self::PACKED`] numbers into every lane.
    unsafe fn splat(from: *const Self::Number) -> V;
    /// `sum + rows * items`, in f32.
    unsafe fn add(sum: V, rows: V, items: V) -> V;
    /// Replaces a vector of scores, or two that are `stride` floats apart, by one vector of weights at
    /// `to`: `2^(score * scale - max)`. Returns `sum` plus the weights.
    unsafe fn weigh(scores: *const f32, stride: usize, to: *mut f32, scale: V, max: V, sum: V) -> V;
}

/// The product of single floats.
pub(super) enum Single {}

impl<V: Lanes> Product<V> for Single {
    type Number = f32;
    const PACKED: usize = 1;
    // Summing in runs halves the error of large scores and costs 2% of the time.
    const RUN: usize = 32;

    #[inline(always)]
    unsafe fn splat(from: *const f32) -> V {
        // SAFETY: one float.
        unsafe { V::splat(*from) }
    }

    #[inline(always)]
    unsafe fn add(sum: V, rows: V, items: V) -> V {
        // SAFETY: no memory.
        unsafe { sum.fma(rows, items) }
    }

    #[inline(always)]
    unsafe fn weigh(scores: *const f32, _: usize, to: *mut f32, scale: V, max: V, sum: V) -> V {
        // SAFETY: one vector each.
        unsafe {
            let weight = exp2(V::splat(0.0).sub(max).fma(V::load(scores), scale));
            weight.store(to);
            sum.add(weight)
        }
    }
}

/// Adds a block to a tile.
///
/// # Safety
/// The machine has the instructions of `V`. Tile and block have passed their checks. The block's values
/// may have been packed since; the first of `PACKED` slots then lies where the check found that slot.
#[inline(always)]
pub(super) unsafe fn absorb<V: Lanes, P: Product<V>, const S: usize>(
    tile: &mut Tile,
    block: &Block<P::Number>,
) {
    // SAFETY: the caller's bounds.
    unsafe {
        match tile.width(V::COUNT) / V::COUNT {
            1 => vectors::<V, P, 1, S>(tile, block),
            2 => vectors::<V, P, 2, S>(tile, block),
            _ => vectors::<V, P, WIDE, S>(tile, block),
        }
    }
}

#[inline(always)]
unsafe fn vectors<V: Lanes, P: Product<V>, const N: usize, const S: usize>(
    tile: &mut Tile,
    block: &Block<P::Number>,
) {
    let (width, head_dim) = (N * V::COUNT, tile.head_dim);
    let mut slot = 0;
    // SAFETY: slots stay below `count`, so keys end at `(count - 1) * stride + head_dim` and scores at `SLOTS * width`.
    unsafe {
        while slot + S <= block.count {
            scores::<V, P, N, S>(tile, block, slot);
            slot += S;
        }
        while slot < block.count {
            scores::<V, P, N, 1>(tile, block, slot);
            slot += 1;
        }
    }
    block.hide(tile.scores, |row, slot| slot * width + row);
    // Slots that are packed with the last slot get weight 0; `SLOTS` is a multiple of `PACKED`.
    let packed = block.count.next_multiple_of(P::PACKED);
    tile.scores[block.count * width..packed * width].fill(f32::NEG_INFINITY);
    // SAFETY: features below `head_dim`: values end as above, mixed values at `head_dim * width`.
    unsafe {
        softmax::<V, P, N>(tile, block.count);
        let mut feature = 0;
        while feature + S <= head_dim {
            mix::<V, P, N, S>(tile, block, feature);
            feature += S;
        }
        while feature < head_dim {
            mix::<V, P, N, 1>(tile, block, feature);
            feature += 1;
        }
    }
}

/// Scores of slots `slot..slot + S`. Reads all queries and `S` rows of keys, and writes `S` rows of
/// scores.
#[inline(always)]
unsafe fn scores<V: Lanes, P: Product<V>, const N: usize, const S: usize>(
    tile: &mut Tile,
    block: &Block<P::Number>,
    slot: usize,
) {
    let (stride, items) = (block.key_stride, tile.head_dim / P::PACKED);
    // SAFETY: the caller's bounds; `PACKED` divides `head_dim`.
    unsafe {
        let queries = tile.queries.as_ptr();
        let keys = block.keys.as_ptr().add(slot * stride);
        let scores = tile.scores.as_mut_ptr().add(slot * N * V::COUNT);
        for start in (0..items).step_by(P::RUN) {
            let mut sums = [[V::splat(0.0); N]; S];
            for item in start..items.min(start + P::RUN) {
                let mut query = [V::splat(0.0); N];
                for (n, query) in query.iter_mut().enumerate() {
                    *query = V::load(queries.add((item * N + n) * V::COUNT));
                }
                for (slot, sums) in sums.iter_mut().enumerate() {
                    let key = P::splat(keys.add(slot * stride + item * P::PACKED));
                    for (sum, query) in sums.iter_mut().zip(query) {
                        *sum = P::add(*sum, query, key);
                    }
                }
            }
            for (slot, sums) in sums.iter().enumerate() {
                for (n, sum) in sums.iter().enumerate() {
                    let score = scores.add((slot * N + n) * V::COUNT);
                    let earlier = if start == 0 { V::splat(0.0) } else { V::load(score) };
                    earlier.add(*sum).store(score);
                }
            }
        }
    }
}

/// One step of the online softmax (Milakov & Gimelshein 2018, algorithm 3): scores become weights
/// relative to the largest score so far, and earlier sums are corrected. Accesses `count` rows of
/// scores, or one more if slots are packed, and `N` vectors of the state.
#[inline(always)]
unsafe fn softmax<V: Lanes, P: Product<V>, const N: usize>(tile: &mut Tile, count: usize) {
    let (scores, width) = (tile.scores.as_mut_ptr(), N * V::COUNT);
    // SAFETY: the caller's bounds.
    unsafe {
        for n in 0..N {
            let at = n * V::COUNT;
            let old = V::load(tile.max.as_ptr().add(at));
            let mut largest = V::load(scores.add(at));
            for slot in 1..count {
                largest = largest.max(V::load(scores.add(slot * width + at)));
            }
            let (scale, max) = (V::splat(tile.scale), old.max(largest.mul(V::splat(tile.scale))));
            let correction = exp2(old.sub(max));
            let mut sum = V::load(tile.sum.as_ptr().add(at)).mul(correction);
            for item in 0..count.div_ceil(P::PACKED) {
                let from = scores.add(item * P::PACKED * width + at);
                sum = P::weigh(from, width, scores.add(item * width + at), scale, max, sum);
            }
            max.store(tile.max.as_mut_ptr().add(at));
            sum.store(tile.sum.as_mut_ptr().add(at));
            correction.store(tile.correction.as_mut_ptr().add(at));
        }
    }
}

/// Mixes features `feature..feature + S` of the block's values. Accesses that many vectors of `mixed`,
/// `count` rows of values and the weights.
#[inline(always)]
unsafe fn mix<V: Lanes, P: Product<V>, const N: usize, const S: usize>(
    tile: &mut Tile,
    block: &Block<P::Number>,
    feature: usize,
) {
    // SAFETY: the caller's bounds.
    unsafe {
        let mixed = tile.mixed.as_mut_ptr().add(feature * N * V::COUNT);
        let values = block.values.as_ptr().add(feature * P::PACKED);
        let mut sums = [[V::splat(0.0); N]; S];
        for (s, sums) in sums.iter_mut().enumerate() {
            for (n, sum) in sums.iter_mut().enumerate() {
                let correction = V::load(tile.correction.as_ptr().add(n * V::COUNT));
                *sum = V::load(mixed.add((s * N + n) * V::COUNT)).mul(correction);
            }
        }
        for item in 0..block.count.div_ceil(P::PACKED) {
            let mut weight = [V::splat(0.0); N];
            for (n, weight) in weight.iter_mut().enumerate() {
                *weight = V::load(tile.scores.as_ptr().add((item * N + n) * V::COUNT));
            }
            for (s, sums) in sums.iter_mut().enumerate() {
                let value = P::splat(values.add(item * block.value_stride + s * P::PACKED));
                for (sum, weight) in sums.iter_mut().zip(weight) {
                    *sum = P::add(*sum, weight, value);
                }
            }
        }
        for (s, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                sum.store(mixed.add((s * N + n) * V::COUNT));
            }
        }
    }
}

const _: () = assert!(SLOTS.is_multiple_of(2));
