//! Loads vectors of floats from keys and values of any type.
//!
//! A narrow tile applies the scale of a key to its score and the scale of a value to its weight: one
//! product per row instead of one per feature. The other tiles convert a block to floats, scales
//! included.
#![allow(unsafe_code)]

use half::bf16;

use super::block::{Block, SLOTS};
use super::lanes::Lanes;
use super::number::Number;
use crate::attention::int8;

/// # Safety
/// Every function needs the instructions of its vectors. Functions with a pointer need as many readable
/// numbers there as they name. Functions with a block need one that has passed its check with a tile of
/// `head_dim`. `halves` needs a machine with AVX-512 F, BW and BF16.
pub(super) trait Load: Number {
    /// Whether [`Load::halves`] can provide blocks in bf16.
    const HALVES: bool;

    /// The value that fills up vectors.
    const ZERO: Self;

    /// Loads twice [`Lanes::COUNT`] numbers, in the order of [`Load::spread`].
    unsafe fn load_two<V: Lanes>(from: *const Self) -> [V; 2];

    /// Loads the first `count` numbers, fewer than twice [`Lanes::COUNT`], followed by zeros, in the
    /// order of [`Load::spread`].
    #[inline(always)]
    unsafe fn load_first<V: Lanes>(from: *const Self, count: usize) -> [V; 2] {
        // The row may end here, so the numbers are copied to a buffer of two of the widest vectors.
        let mut numbers = [Self::ZERO; 32];
        // SAFETY: `count` numbers, fewer than two vectors, and no vector has more than 16 lanes.
        unsafe {
            numbers.as_mut_ptr().copy_from_nonoverlapping(from, count);
            Self::load_two(numbers.as_ptr())
        }
    }

    /// Reorders a row of floats as [`Load::load_two`] reads one. `to` holds whole pairs of vectors.
    fn spread(from: &[f32], to: &mut [f32], _lanes: usize) {
        to[..from.len()].copy_from_slice(from);
    }

    /// The inverse of [`Load::spread`]; `to` is the row.
    fn gather(from: &[f32], to: &mut [f32], _lanes: usize) {
        to.copy_from_slice(&from[..to.len()]);
    }

    /// The block in f32: the block itself, or a copy in `packed`, which holds `2 * SLOTS * head_dim`
    /// numbers.
    unsafe fn widen<'a, V: Lanes>(
        block: &Block<'a, Self>,
        packed: &'a mut [f32],
        head_dim: usize,
    ) -> Block<'a, f32>;

    /// The block in bf16: the block itself, or a copy in `packed`, which holds `2 * SLOTS * head_dim`
    /// numbers. Only for types with [`Load::HALVES`].
    #[cfg(target_arch = "x86_64")]
    unsafe fn halves<'a>(block: &Block<'a, Self>, packed: &'a mut [bf16], head_dim: usize)
    -> Block<'a, bf16>;
}

impl Load for f32 {
    const HALVES: bool = false;
    const ZERO: Self = 0.0;

    #[inline(always)]
    unsafe fn load_two<V: Lanes>(from: *const Self) -> [V; 2] {
        // SAFETY: the caller's bounds.
        unsafe { [V::load(from), V::load(from.add(V::COUNT))] }
    }

    #[inline(always)]
    unsafe fn widen<'a, V: Lanes>(
        block: &Block<'a, Self>,
        _packed: &'a mut [f32],
        _head_dim: usize,
    ) -> Block<'a, f32> {
        Block { ..*block }
    }

    #[cfg(target_arch = "x86_64")]
    unsafe fn halves<'a>(_: &Block<'a, Self>, _: &'a mut [bf16], _: usize) -> Block<'a, bf16> {
        unreachable!("floats are never multiplied in pairs")
    }
}

impl Load for bf16 {
    const HALVES: bool = true;
    const ZERO: Self = bf16::ZERO;

    #[inline(always)]
    unsafe fn load_two<V: Lanes>(from: *const Self) -> [V; 2] {
        // SAFETY: the caller's bounds; a `bf16` is its 16 bits.
        unsafe { V::load_bf16_pairs(from.cast()) }
    }

    fn spread(from: &[f32], to: &mut [f32], lanes: usize) {
        for (from, to) in from.chunks(2 * lanes).zip(to.chunks_exact_mut(2 * lanes)) {
            let (even, odd) = to.split_at_mut(lanes);
            even.iter_mut().zip(from.iter().step_by(2)).for_each(|(to, from)| *to = *from);
            odd.iter_mut().zip(from.iter().skip(1).step_by(2)).for_each(|(to, from)| *to = *from);
        }
    }

    fn gather(from: &[f32], to: &mut [f32], lanes: usize) {
        for (from, to) in from.chunks_exact(2 * lanes).zip(to.chunks_mut(2 * lanes)) {
            let (even, odd) = from.split_at(lanes);
            to.iter_mut().step_by(2).zip(even).for_each(|(to, from)| *to = *from);
            to.iter_mut().skip(1).step_by(2).zip(odd).for_each(|(to, from)| *to = *from);
        }
    }

    #[inline(always)]
    unsafe fn widen<'a, V: Lanes>(
        block: &Block<'a, Self>,
        packed: &'a mut [f32],
        head_dim: usize,
    ) -> Block<'a, f32> {
        let whole = head_dim / V::COUNT * V::COUNT;
        copied(block, packed, head_dim, |from, to| {
            for feature in (0..whole).step_by(V::COUNT) {
                // SAFETY: whole vectors within both slices; a `bf16` is its 16 bits.
                unsafe {
                    V::load_bf16(from.as_ptr().add(feature).cast()).store(to.as_mut_ptr().add(feature));
                }
            }
            to[whole..].iter_mut().zip(&from[whole..]).for_each(|(to, from)| *to = from.to_f32());
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn halves<'a>(block: &Block<'a, Self>, _: &'a mut [bf16], _: usize) -> Block<'a, bf16> {
        Block { ..*block }
    }
}

impl Load for u8 {
    const HALVES: bool = true;
    const ZERO: Self = 0;

    #[inline(always)]
    unsafe fn load_two<V: Lanes>(from: *const Self) -> [V; 2] {
        // SAFETY: the caller's bounds.
        unsafe { [V::load_int8(from), V::load_int8(from.add(V::COUNT))] }
    }

    #[inline(always)]
    unsafe fn widen<'a, V: Lanes>(
        block: &Block<'a, Self>,
        packed: &'a mut [f32],
        head_dim: usize,
    ) -> Block<'a, f32> {
        let whole = head_dim / V::COUNT * V::COUNT;
        copied(block, packed, head_dim, |from, to| {
            let scale = int8::scale(&from[head_dim..]);
            for feature in (0..whole).step_by(V::COUNT) {
                // SAFETY: whole vectors within both slices.
                unsafe {
                    let numbers = V::load_int8(from.as_ptr().add(feature));
                    numbers.mul(V::splat(scale)).store(to.as_mut_ptr().add(feature));
                }
            }
            let rest = to[whole..].iter_mut().zip(&from[whole..]);
            rest.for_each(|(to, from)| *to = f32::from(from.cast_signed()) * scale);
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn halves<'a>(
        block: &Block<'a, Self>,
        packed: &'a mut [bf16],
        head_dim: usize,
    ) -> Block<'a, bf16> {
        // SAFETY: the caller guarantees the instructions.
        copied(block, packed, head_dim, |from, to| unsafe { super::widen::int8_to_bf16(from, to) })
    }
}

/// A block whose rows `copy` converts, one by one and with their scales, into contiguous rows of
/// `packed`.
#[inline(always)]
fn copied<'a, T: Load, P: Copy>(
    block: &Block<'a, T>,
    packed: &'a mut [P],
    head_dim: usize,
    mut copy: impl FnMut(&[T], &mut [P]),
) -> Block<'a, P> {
    let (keys, values) = packed.split_at_mut(SLOTS * head_dim);
    for (to, from, stride) in
        [(&mut *keys, block.keys, block.key_stride), (&mut *values, block.values, block.value_stride)]
    {
        for (slot, to) in to.chunks_exact_mut(head_dim).take(block.count).enumerate() {
            copy(&from[slot * stride..][..head_dim + T::SCALE], to);
        }
    }
    let (keys, values) = (&*keys, &*values);
    Block { keys, values, key_stride: head_dim, value_stride: head_dim, count: block.count, seen: block.seen }
}
