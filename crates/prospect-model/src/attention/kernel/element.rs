//! The types of keys and values, and the products that a narrow tile uses for each on AVX-512.
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

/// Types of keys and values: `f32`; `bf16`, with half the memory; or `u8` for rows of int8, with a
/// quarter.
#[allow(private_bounds, reason = "only this room can add a type")]
pub trait Element: Narrow {}

impl Element for f32 {}

impl Element for bf16 {}

impl Element for u8 {}

/// # Safety
/// Every function needs a tile and a block that have passed their checks.
pub(super) trait Narrow: Load {
    /// Adds a block to a narrow tile on a machine with AVX-512 F, BW, DQ, BF16 and VNNI.
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
