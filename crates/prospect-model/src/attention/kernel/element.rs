//! The types that keys and values may have, and by which products a narrow tile takes each in where a machine has them all.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m512;

use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::block::Block;
use super::load::Load;
#[cfg(target_arch = "x86_64")]
use super::{narrow, words};
#[cfg(target_arch = "x86_64")]
use crate::attention::tile::Tile;

/// Numbers of keys and values: `f32`, `bf16` for half the memory, or the `u8` of rows of int8 for a quarter.
#[allow(private_bounds, reason = "only this room can add a type")]
pub trait Element: Narrow {}

impl Element for f32 {}

impl Element for bf16 {}

impl Element for u8 {}

/// # Safety
/// Every function needs a tile and a block that have passed their checks.
pub(super) trait Narrow: Load {
    /// Takes a block into a narrow tile by all that AVX-512 has: F, BW, DQ, BF16 and VNNI.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn absorb_narrow(tile: &mut Tile, block: &Block<Self>) {
        // SAFETY: as the caller promises.
        unsafe { narrow::absorb::<__m512, Self, narrow::Floats>(tile, block) }
    }
}

impl Narrow for f32 {}

impl Narrow for bf16 {}

impl Narrow for u8 {
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn absorb_narrow(tile: &mut Tile, block: &Block<Self>) {
        // SAFETY: as the caller promises.
        unsafe {
            match words::suit(tile.head_dim) {
                true => narrow::absorb::<__m512, Self, words::Words>(tile, block),
                false => narrow::absorb::<__m512, Self, narrow::Floats>(tile, block),
            }
        }
    }
}
