//! The operations of a kernel, and their compilation for each instruction set.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use half::bf16;

use super::Element;
use super::block::Block;
#[cfg(test)]
use super::exponent;
use super::lanes::{Lanes, Scalars};
#[cfg(target_arch = "x86_64")]
use super::pairs;
use super::{narrow, rounding, wide};
use crate::attention::tile::{Layout, Tile};

/// One operation. Its tile and block have passed their checks.
pub(super) enum Operation<'a, 'b, T> {
    Prepare(&'a mut Tile<'b>),
    Absorb(&'a mut Tile<'b>, &'a Block<'a, T>, &'a mut [f32]),
    Round {
        from: &'a [f32],
        stride: usize,
        to: &'a mut [bf16],
        width: usize,
    },
    #[cfg(test)]
    Exp2(&'a mut [f32]),
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512bf16,avx512vnni")]
pub(super) unsafe fn avx512_bf16<T: Element>(operation: Operation<T>) {
    // SAFETY: the caller guarantees the instructions and the checks.
    unsafe {
        match operation {
            Operation::Prepare(tile) => pairs::prepare(tile),
            Operation::Absorb(tile, block, packed) if tile.layout == Layout::Paired => {
                pairs::absorb(tile, block, packed);
            }
            Operation::Absorb(tile, block, _) if tile.layout == Layout::Narrow => {
                T::absorb_narrow(tile, block);
            }
            Operation::Round { from, stride, to, width } => pairs::round(from, stride, to, width),
            operation => run::<__m512, T, 8>(operation),
        }
    }
}

// 8 slots x 3 vectors of rows: 24 of 32 registers hold sums, and 11 loads serve 24 products.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn avx512<T: Element>(operation: Operation<T>) {
    // SAFETY: the caller guarantees the instructions and the checks.
    unsafe { run::<__m512, T, 8>(operation) }
}

// 3 slots x 3 vectors of rows: 9 of 16 registers hold sums. With 12 sums the compiler spills registers,
// which takes twice as long.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn avx2<T: Element>(operation: Operation<T>) {
    // SAFETY: the caller guarantees the instructions and the checks.
    unsafe { run::<__m256, T, 3>(operation) }
}

/// # Safety
/// Tile and block have passed their checks, and no tile is paired.
pub(super) unsafe fn portable<T: Element>(operation: Operation<T>) {
    // SAFETY: `Scalars` needs only instructions that the crate is compiled for; the caller guarantees
    // the checks.
    unsafe { run::<Scalars, T, { Scalars::SLOTS }>(operation) }
}

/// # Safety
/// The machine has the instructions of `V`; tile and block have passed their checks, and no tile is paired.
#[inline(always)]
unsafe fn run<V: Lanes, T: Element, const S: usize>(operation: Operation<T>) {
    // SAFETY: as the caller guarantees, here and in every function below. Each function documents which
    // checked memory it accesses.
    unsafe {
        match operation {
            Operation::Prepare(_) => {}
            Operation::Absorb(tile, block, packed) => match tile.layout {
                Layout::Narrow => narrow::absorb::<V, T, narrow::Floats>(tile, block),
                _ => wide::absorb::<V, wide::Single, S>(tile, &T::widen::<V>(block, packed, tile.head_dim)),
            },
            Operation::Round { from, stride, to, width } => rounding::rows(from, stride, to, width),
            #[cfg(test)]
            Operation::Exp2(values) => {
                for vector in values.chunks_exact_mut(V::COUNT) {
                    exponent::exp2(V::load(vector.as_ptr())).store(vector.as_mut_ptr());
                }
            }
        }
    }
}
