//! The inner loops of attention, on AVX-512, on AVX2 with FMA, or on whatever the compiler makes of arrays.
//!
//! All `unsafe` of attention is here and in the vectors below. What crosses the border is checked once a [`Block`]
//! ([`Block::check`]); every pointer is derived from a slice that this check has measured.
// Long: the loops that are unsafe stand in one file, so that their bounds are proven in one place.
#![allow(unsafe_code)]

mod lanes;

use super::tile::Tile;
use lanes::{Lanes, Scalars};

/// Slots that a kernel works through at a time. Fewer cost a narrow tile memory speed, because it goes back and forth between
/// keys and values; a wide one takes the same time from 32 on.
pub(super) const SLOTS: usize = 128;

/// Features that a wide tile sums in one go: sums of sums halve the error of large scores for 2% of the time.
const RUN: usize = 32;

/// Vectors of query rows beside each other in a wide tile.
const WIDE: usize = 3;

/// Most rows of a narrow tile.
pub(super) const NARROW: usize = 4;

/// Which instructions the kernels use. A value exists only where the machine has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Isa);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Slots `0..count` of the keys and values of one head, each `[count, head_dim]` with a stride between slots, and how many
/// of them each row of a tile may see.
pub(super) struct Block<'a> {
    pub(super) keys: &'a [f32],
    pub(super) values: &'a [f32],
    pub(super) key_stride: usize,
    pub(super) value_stride: usize,
    pub(super) count: usize,
    /// Slots of this block by row, `count` or fewer.
    pub(super) seen: &'a [usize],
}

impl Kernel {
    /// The fastest that this machine has.
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self(Isa::Portable))
    }

    /// All that this machine has, fastest first; the last one is there on every machine.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vector = [
            std::is_x86_feature_detected!("avx512f").then_some(Self(Isa::Avx512)),
            (std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"))
                .then_some(Self(Isa::Avx2)),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let vector = [None];
        vector.into_iter().flatten().chain([Self(Isa::Portable)])
    }

    /// Floats in a vector.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => 8,
            Isa::Portable => Scalars::COUNT,
        }
    }

    /// Rows of a full wide tile.
    pub(super) fn wide_rows(self) -> usize {
        WIDE * self.lanes()
    }

    /// Takes a block into a tile: scores, their share of the softmax so far, and the values mixed by it.
    pub(super) fn absorb(self, tile: &mut Tile, block: &Block) {
        block.check(tile, self.lanes());
        self.run(Step::Absorb(tile, block));
    }

    /// `2^x` in place, as the softmax computes it.
    #[cfg(test)]
    pub(super) fn exp2(self, values: &mut [f32]) {
        assert_eq!(values.len() % self.lanes(), 0, "whole vectors only");
        self.run(Step::Exp2(values));
    }

    fn run(self, step: Step) {
        match self.0 {
            // SAFETY: a `Kernel` with this value is made only where the instructions were detected.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { x86::avx512(step) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { x86::avx2(step) },
            // SAFETY: `Scalars` needs no instructions beyond those the crate is compiled for.
            Isa::Portable => unsafe { run::<Scalars, { Scalars::SLOTS }>(step) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__m256, __m512};

    use super::{Step, run};

    // 8 slots x 3 vectors of rows: 24 of 32 registers hold sums, and 11 loads feed 24 products.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn avx512(step: Step) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { run::<__m512, 8>(step) }
    }

    // 4 slots x 3 vectors of rows: 12 of 16 registers hold sums.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2(step: Step) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { run::<__m256, 4>(step) }
    }
}

enum Step<'a, 'b> {
    Absorb(&'a mut Tile<'b>, &'a Block<'a>),
    #[cfg(test)]
    Exp2(&'a mut [f32]),
}

impl Block<'_> {
    /// Everything that the pointers below rely on.
    fn check(&self, tile: &Tile, lanes: usize) {
        let spans = |data: &[f32], stride: usize| (self.count - 1) * stride + tile.head_dim <= data.len();
        assert!((1..=SLOTS).contains(&self.count));
        assert!(spans(self.keys, self.key_stride) && spans(self.values, self.value_stride));
        assert!(self.seen.len() == tile.rows && self.seen.iter().all(|&seen| seen <= self.count));
        let (width, padded) = (tile.width(lanes), tile.padded(lanes));
        let vectors = if tile.wide { width } else { tile.rows };
        assert!(vectors <= if tile.wide { WIDE * lanes } else { NARROW } && tile.rows > 0);
        let matrix = if tile.wide { tile.head_dim * width } else { tile.rows * padded };
        assert!(tile.queries.len() >= matrix && tile.mixed.len() >= matrix);
        assert!(tile.scores.len() >= vectors * SLOTS);
        assert!([&tile.max, &tile.sum, &tile.correction].iter().all(|side| side.len() >= vectors));
    }
}

/// # Safety
/// The machine has the instructions of `V`; a block has passed its check.
#[inline(always)]
unsafe fn run<V: Lanes, const S: usize>(step: Step) {
    // SAFETY: as promised by the caller, here and in every function below: each says what it touches of what was checked.
    unsafe {
        match step {
            Step::Absorb(tile, block) if tile.wide => match tile.width(V::COUNT) / V::COUNT {
                1 => wide::<V, 1, S>(tile, block),
                2 => wide::<V, 2, S>(tile, block),
                _ => wide::<V, WIDE, S>(tile, block),
            },
            Step::Absorb(tile, block) => match tile.rows {
                1 => narrow::<V, 1>(tile, block),
                2 => narrow::<V, 2>(tile, block),
                3 => narrow::<V, 3>(tile, block),
                _ => narrow::<V, NARROW>(tile, block),
            },
            #[cfg(test)]
            Step::Exp2(values) => {
                for vector in values.chunks_exact_mut(V::COUNT) {
                    exp2(V::load(vector.as_ptr())).store(vector.as_mut_ptr());
                }
            }
        }
    }
}

/// Wide tile: a lane is a query row, `N` vectors of them. Queries and mixed values lie `[head_dim, N * lanes]`, scores
/// `[SLOTS, N * lanes]`, so that keys and values are read where they lie, one float for a vector of rows, and the softmax has
/// no sum across lanes.
#[inline(always)]
unsafe fn wide<V: Lanes, const N: usize, const S: usize>(tile: &mut Tile, block: &Block) {
    let (width, stride, head_dim) = (N * V::COUNT, block.key_stride, tile.head_dim);
    let (queries, scores) = (tile.queries.as_ptr(), tile.scores.as_mut_ptr());
    let mut slot = 0;
    // SAFETY: slots stay below `count`, so keys end at `(count - 1) * stride + head_dim` and scores at `SLOTS * width`.
    unsafe {
        while slot + S <= block.count {
            wide_scores::<V, N, S>(
                queries,
                head_dim,
                block.keys.as_ptr().add(slot * stride),
                stride,
                scores.add(slot * width),
            );
            slot += S;
        }
        while slot < block.count {
            wide_scores::<V, N, 1>(
                queries,
                head_dim,
                block.keys.as_ptr().add(slot * stride),
                stride,
                scores.add(slot * width),
            );
            slot += 1;
        }
    }
    hide(tile.scores, block, |row, slot| slot * width + row);
    // SAFETY: features below `head_dim`: values end as above, mixed values at `head_dim * width`.
    unsafe {
        wide_softmax::<V, N>(tile, block.count);
        let mut feature = 0;
        while feature + S <= head_dim {
            wide_mix::<V, N, S>(tile, block, feature);
            feature += S;
        }
        while feature < head_dim {
            wide_mix::<V, N, 1>(tile, block, feature);
            feature += 1;
        }
    }
}

/// Scores of `S` slots: touches `queries[..head_dim * N * lanes]`, `scores[..S * N * lanes]` and `S` key rows.
#[inline(always)]
unsafe fn wide_scores<V: Lanes, const N: usize, const S: usize>(
    queries: *const f32,
    head_dim: usize,
    keys: *const f32,
    stride: usize,
    scores: *mut f32,
) {
    // SAFETY: the caller's bounds.
    unsafe {
        for start in (0..head_dim).step_by(RUN) {
            let mut sums = [[V::splat(0.0); N]; S];
            for feature in start..head_dim.min(start + RUN) {
                let mut query = [V::splat(0.0); N];
                for (n, query) in query.iter_mut().enumerate() {
                    *query = V::load(queries.add((feature * N + n) * V::COUNT));
                }
                for (slot, sums) in sums.iter_mut().enumerate() {
                    let key = V::splat(*keys.add(slot * stride + feature));
                    for (sum, query) in sums.iter_mut().zip(query) {
                        *sum = sum.fma(query, key);
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

/// One step of the online softmax (Milakov & Gimelshein 2018, algorithm 3): scores become weights against the largest score so
/// far, and what was summed before is corrected to it. Touches `count` rows of scores and `N` vectors of the state.
#[inline(always)]
unsafe fn wide_softmax<V: Lanes, const N: usize>(tile: &mut Tile, count: usize) {
    let scores = tile.scores.as_mut_ptr();
    // SAFETY: the caller's bounds.
    unsafe {
        for n in 0..N {
            let at = n * V::COUNT;
            let old = V::load(tile.max.as_ptr().add(at));
            let mut largest = V::load(scores.add(at));
            for slot in 1..count {
                largest = largest.max(V::load(scores.add(slot * N * V::COUNT + at)));
            }
            let (scale, max) = (V::splat(tile.scale), old.max(largest.mul(V::splat(tile.scale))));
            let correction = exp2(old.sub(max));
            let mut sum = V::load(tile.sum.as_ptr().add(at)).mul(correction);
            for slot in 0..count {
                let score = scores.add(slot * N * V::COUNT + at);
                let weight = exp2(V::splat(0.0).sub(max).fma(V::load(score), scale));
                weight.store(score);
                sum = sum.add(weight);
            }
            max.store(tile.max.as_mut_ptr().add(at));
            sum.store(tile.sum.as_mut_ptr().add(at));
            correction.store(tile.correction.as_mut_ptr().add(at));
        }
    }
}

/// Mixes features `feature..feature + S` of the block's values: touches that many vectors of `mixed`, `count` value rows and
/// the weights.
#[inline(always)]
unsafe fn wide_mix<V: Lanes, const N: usize, const S: usize>(tile: &mut Tile, block: &Block, feature: usize) {
    // SAFETY: the caller's bounds.
    unsafe {
        let mixed = tile.mixed.as_mut_ptr().add(feature * N * V::COUNT);
        let values = block.values.as_ptr().add(feature);
        let mut sums = [[V::splat(0.0); N]; S];
        for (s, sums) in sums.iter_mut().enumerate() {
            for (n, sum) in sums.iter_mut().enumerate() {
                let correction = V::load(tile.correction.as_ptr().add(n * V::COUNT));
                *sum = V::load(mixed.add((s * N + n) * V::COUNT)).mul(correction);
            }
        }
        for slot in 0..block.count {
            let mut weight = [V::splat(0.0); N];
            for (n, weight) in weight.iter_mut().enumerate() {
                *weight = V::load(tile.scores.as_ptr().add((slot * N + n) * V::COUNT));
            }
            for (s, sums) in sums.iter_mut().enumerate() {
                let value = V::splat(*values.add(slot * block.value_stride + s));
                for (sum, weight) in sums.iter_mut().zip(weight) {
                    *sum = sum.fma(weight, value);
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

/// Narrow tile: too few rows to fill a vector, so a lane is a feature. Queries and mixed values lie `[R, padded head_dim]`,
/// scores `[R, SLOTS]`; a key or value is read once for all rows.
#[inline(always)]
unsafe fn narrow<V: Lanes, const R: usize>(tile: &mut Tile, block: &Block) {
    // SAFETY: quads of slots stay within `SLOTS`, and a quad that ends behind the block reads its last slot again.
    unsafe {
        for quad in (0..block.count).step_by(4) {
            narrow_scores::<V, R>(tile, block, quad);
        }
    }
    for row in 0..R {
        // Up to a whole vector: what is behind the block weighs nothing.
        tile.scores[row * SLOTS + block.count..(row + 1) * SLOTS].fill(f32::NEG_INFINITY);
    }
    hide(tile.scores, block, |row, slot| row * SLOTS + slot);
    let (whole, padded) = (tile.head_dim / V::COUNT, tile.padded(V::COUNT));
    // SAFETY: vectors `0..whole` lie within `head_dim`, and the rest is read lane by lane.
    unsafe {
        for row in 0..R {
            narrow_softmax::<V>(tile, block.count, row);
        }
        let mut vector = 0;
        while vector + 4 <= whole {
            narrow_mix::<V, R, 4>(tile, block, vector, V::COUNT);
            vector += 4;
        }
        while vector < whole {
            narrow_mix::<V, R, 1>(tile, block, vector, V::COUNT);
            vector += 1;
        }
        if whole * V::COUNT < padded {
            narrow_mix::<V, R, 1>(tile, block, whole, tile.head_dim - whole * V::COUNT);
        }
    }
}

/// Scores of slots `quad..quad + 4`: touches whole padded query rows, four key rows and four scores a row.
#[inline(always)]
unsafe fn narrow_scores<V: Lanes, const R: usize>(tile: &mut Tile, block: &Block, quad: usize) {
    let (whole, rest, padded) = (tile.head_dim / V::COUNT, tile.head_dim % V::COUNT, tile.padded(V::COUNT));
    // SAFETY: the caller's bounds.
    unsafe {
        let mut keys = [block.keys.as_ptr(); 4];
        for (s, key) in keys.iter_mut().enumerate() {
            *key = key.add((quad + s).min(block.count - 1) * block.key_stride);
        }
        let mut sums = [[V::splat(0.0); 4]; R];
        for vector in 0..whole + usize::from(rest > 0) {
            let mut key = [V::splat(0.0); 4];
            for (key, from) in key.iter_mut().zip(keys) {
                let from = from.add(vector * V::COUNT);
                *key = if vector < whole { V::load(from) } else { V::load_first(from, rest) };
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

/// As [`wide_softmax`] for one row, whose scores lie behind each other: touches `SLOTS` scores and its entry of the state.
#[inline(always)]
unsafe fn narrow_softmax<V: Lanes>(tile: &mut Tile, count: usize, row: usize) {
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
unsafe fn narrow_mix<V: Lanes, const R: usize, const N: usize>(
    tile: &mut Tile,
    block: &Block,
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
            let mut value = [V::splat(0.0); N];
            for (n, value) in value.iter_mut().enumerate() {
                let from = values.add(slot * block.value_stride + n * V::COUNT);
                *value = if lanes == V::COUNT { V::load(from) } else { V::load_first(from, lanes) };
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

/// Scores that a row may not see become minus infinity.
#[inline(always)]
fn hide(scores: &mut [f32], block: &Block, at: impl Fn(usize, usize) -> usize) {
    for (row, &seen) in block.seen.iter().enumerate() {
        for slot in seen..block.count {
            scores[at(row, slot)] = f32::NEG_INFINITY;
        }
    }
}

/// `2^x` for `x <= 0`: exact at 0, within 2e-9 before rounding, and 0 below -127. NaN stays NaN.
///
/// The whole part goes into the exponent, by way of a sum so large that its last bits count whole numbers; the rest, within a
/// half of 0, into the polynomial of degree 6 with the least relative error (Remez).
///
/// # Safety
/// The machine has the instructions of `V`.
#[inline(always)]
unsafe fn exp2<V: Lanes>(x: V) -> V {
    // 1.5 * 2^23 makes the last bit of a float a one; 127 is the bias of an exponent.
    const WHOLE: f32 = 12_582_912.0 + 127.0;
    const POLYNOMIAL: [f32; 6] =
        [1.339_993_1e-3, 9.618_489e-3, 5.550_328_8e-2, 2.402_264_7e-1, 6.931_472e-1, 1.0];
    // SAFETY: lane by lane, no memory.
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
