//! The inner loops of attention, for AVX-512, for AVX2 with FMA, and for portable arrays that the
//! compiler vectorizes.
//!
//! All `unsafe` code of attention is in this file and its folder. The inputs are checked once per
//! [`Block`] ([`Block::check`]). Every pointer is derived from a slice whose length this check has
//! verified.
#![allow(unsafe_code)]

mod block;
mod element;
mod exponent;
mod lanes;
mod load;
mod narrow;
mod number;
mod operation;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod rounding;
mod wide;
#[cfg(target_arch = "x86_64")]
mod widen;
#[cfg(target_arch = "x86_64")]
mod words;

use half::bf16;

use super::tile::{Layout, Tile};
use super::view::reach;
use crate::instructions::Level;

pub(super) use block::{Block, SLOTS};
pub use element::Element;
use lanes::{Lanes, Scalars};
pub(super) use narrow::NARROW;
pub use number::Number;
use operation::Operation;
use wide::WIDE;

/// The instruction set of the kernels. A value exists only on machines that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Isa);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Isa {
    /// AVX-512 F, BW, DQ, BF16 and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    /// AVX-512 F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Kernel {
    /// The fastest kernel that this machine has and that `PROSPECT_INSTRUCTIONS` allows.
    pub fn detect() -> Self {
        Self::available().find(|kernel| kernel.level().is_allowed()).unwrap_or(Self(Isa::Portable))
    }

    fn level(self) -> Level {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 | Isa::Avx512 => Level::Avx512,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Level::Avx2,
            Isa::Portable => Level::Portable,
        }
    }

    /// All kernels that this machine has, fastest first. The last one is portable.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vector = {
            use std::is_x86_feature_detected as has;
            let avx512 = has!("avx512f");
            let beside = has!("avx512bw") && has!("avx512dq");
            let bf16 = avx512 && beside && has!("avx512bf16") && has!("avx512vnni");
            [
                bf16.then_some(Self(Isa::Avx512Bf16)),
                avx512.then_some(Self(Isa::Avx512)),
                (has!("avx2") && has!("fma")).then_some(Self(Isa::Avx2)),
            ]
        };
        #[cfg(not(target_arch = "x86_64"))]
        let vector = [None];
        vector.into_iter().flatten().chain([Self(Isa::Portable)])
    }

    /// Number of floats in a vector.
    pub(super) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 | Isa::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => 8,
            Isa::Portable => Scalars::COUNT,
        }
    }

    /// Writes a row of queries in the order of a narrow tile, padded to whole pairs of vectors.
    pub(super) fn spread<T: Element>(self, row: &[f32], to: &mut [f32]) {
        T::spread(row, to, self.lanes());
    }

    /// Reads a row of mixed values in the order of a narrow tile; the inverse of `spread`.
    pub(super) fn gather<T: Element>(self, from: &[f32], row: &mut [f32]) {
        T::gather(from, row, self.lanes());
    }

    /// Number of rows in a full wide tile.
    pub(super) fn wide_rows(self) -> usize {
        WIDE * self.lanes()
    }

    /// Whether a wide tile multiplies pairs of bf16. Queries and weights are then rounded to bf16.
    pub(super) fn pairs<T: Element>(self, head_dim: usize) -> bool {
        match self.0 {
            // `head_dim` must be even, so that keys can be read as pairs in place.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => T::HALVES && head_dim.is_multiple_of(2),
            _ => false,
        }
    }

    /// Prepares the queries of a tile for the loops.
    pub(super) fn prepare<T: Element>(self, tile: &mut Tile) {
        if tile.layout == Layout::Paired {
            tile.check(self.lanes());
            self.run::<T>(Operation::Prepare(tile));
        }
    }

    /// Adds a block to a tile: computes the scores, updates the online softmax, and mixes the values.
    pub(super) fn absorb<T: Element>(self, tile: &mut Tile, block: &Block<T>, packed: &mut [f32]) {
        tile.check(self.lanes());
        block.check(tile, packed);
        self.run(Operation::Absorb(tile, block, packed));
    }

    /// Rounds rows that are `stride` apart to contiguous rows of `width` bf16, to nearest, ties to
    /// even. Finite values stay finite.
    pub(super) fn round(self, from: &[f32], stride: usize, to: &mut [bf16], width: usize) {
        self.run::<bf16>(Operation::Round { from, stride, to, width });
    }

    /// `2^x` in place, as the softmax computes it.
    #[cfg(test)]
    pub(super) fn exp2(self, values: &mut [f32]) {
        assert_eq!(values.len() % self.lanes(), 0, "whole vectors only");
        self.run::<f32>(Operation::Exp2(values));
    }

    fn run<T: Element>(self, operation: Operation<T>) {
        match self.0 {
            // SAFETY: a `Kernel` with this value exists only where the instructions were detected, and
            // inputs have passed their checks.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => unsafe { operation::avx512_bf16(operation) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => unsafe { operation::avx512(operation) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => unsafe { operation::avx2(operation) },
            // SAFETY: as above; these need no special instructions.
            Isa::Portable => unsafe { operation::portable(operation) },
        }
    }
}

impl<T: Number> Block<'_, T> {
    /// Checks everything about a block that the loops rely on.
    fn check(&self, tile: &Tile, packed: &[f32]) {
        assert!((1..=SLOTS).contains(&self.count));
        let spans =
            |data: &[T], stride: usize| reach::<T>(tile.head_dim, &[(self.count - 1, stride)]) <= data.len();
        assert!(spans(self.keys, self.key_stride) && spans(self.values, self.value_stride));
        assert!(self.seen.len() == tile.rows && self.seen.iter().all(|&seen| seen <= self.count));
        assert!(packed.len() >= 2 * SLOTS * tile.head_dim);
    }
}

impl Tile<'_> {
    /// Checks everything about a tile that the loops rely on.
    fn check(&self, lanes: usize) {
        let (width, padded) = (self.width(lanes), self.padded(lanes));
        let (vectors, most, matrix) = match self.layout {
            Layout::Narrow => (self.rows, NARROW, self.rows * padded),
            Layout::Wide | Layout::Paired => (width, WIDE * lanes, self.head_dim * width),
        };
        assert!(self.rows > 0 && vectors <= most);
        assert!(self.layout != Layout::Paired || self.head_dim.is_multiple_of(2));
        assert!(self.queries.len() >= matrix && self.mixed.len() >= matrix);
        assert!(self.scores.len() >= vectors * SLOTS);
        assert!([&self.max, &self.sum, &self.correction].iter().all(|side| side.len() >= vectors));
    }
}
