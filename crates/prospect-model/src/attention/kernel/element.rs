//! What keys and values are made of, and how vectors of floats come from it.
#![allow(unsafe_code)]

use half::bf16;

use super::lanes::Lanes;
use super::{Block, SLOTS};

/// Numbers of keys and values: `f32`, or `bf16` for half the memory.
#[allow(private_bounds, reason = "only this room can add a type")]
pub trait Element: Load {}

impl Element for f32 {}
impl Element for bf16 {}

/// # Safety
/// Every function needs the instructions of the vectors it makes.
pub(super) trait Load: Copy + Send + Sync + Into<f64> {
    /// Whether these are the numbers whose pairs a lane holds.
    const BF16: bool;

    /// What fills a vector.
    const ZERO: Self;

    /// Twice [`Lanes::COUNT`] numbers, in the order of [`Load::spread`].
    unsafe fn load_two<V: Lanes>(from: *const Self) -> [V; 2];

    /// The first `count` numbers, fewer than twice [`Lanes::COUNT`], and zeros, in the order of [`Load::spread`].
    #[inline(always)]
    unsafe fn load_first<V: Lanes>(from: *const Self, count: usize) -> [V; 2] {
        // Behind the widest two vectors there is nothing to read.
        let mut numbers = [Self::ZERO; 32];
        // SAFETY: `count` numbers, fewer than two vectors, and no vector has more than 16 lanes.
        unsafe {
            numbers.as_mut_ptr().copy_from_nonoverlapping(from, count);
            Self::load_two(numbers.as_ptr())
        }
    }

    /// A row of floats as [`Load::load_two`] reads one: in `to`, which holds whole pairs of vectors.
    fn spread(from: &[f32], to: &mut [f32], lanes: usize);

    /// The inverse: `to` is the row.
    fn gather(from: &[f32], to: &mut [f32], lanes: usize);

    /// The block in f32: itself, or a copy in `packed`, which holds `2 * SLOTS * head_dim`.
    unsafe fn widen<'a, V: Lanes>(
        block: &Block<'a, Self>,
        packed: &'a mut [f32],
        head_dim: usize,
    ) -> Block<'a, f32>;
}

impl Load for f32 {
    const BF16: bool = false;
    const ZERO: Self = 0.0;

    #[inline(always)]
    unsafe fn load_two<V: Lanes>(from: *const Self) -> [V; 2] {
        // SAFETY: the caller's bounds.
        unsafe { [V::load(from), V::load(from.add(V::COUNT))] }
    }

    fn spread(from: &[f32], to: &mut [f32], _lanes: usize) {
        to[..from.len()].copy_from_slice(from);
    }

    fn gather(from: &[f32], to: &mut [f32], _lanes: usize) {
        to.copy_from_slice(&from[..to.len()]);
    }

    #[inline(always)]
    unsafe fn widen<'a, V: Lanes>(
        block: &Block<'a, Self>,
        _packed: &'a mut [f32],
        _head_dim: usize,
    ) -> Block<'a, f32> {
        Block { ..*block }
    }
}

impl Load for bf16 {
    const BF16: bool = true;
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
        let (keys, values) = packed.split_at_mut(SLOTS * head_dim);
        let whole = head_dim / V::COUNT * V::COUNT;
        for (to, from, stride) in
            [(&mut *keys, block.keys, block.key_stride), (&mut *values, block.values, block.value_stride)]
        {
            for (slot, to) in to.chunks_exact_mut(head_dim).take(block.count).enumerate() {
                let from = &from[slot * stride..][..head_dim];
                for feature in (0..whole).step_by(V::COUNT) {
                    // SAFETY: whole vectors within both slices; a `bf16` is its 16 bits.
                    unsafe {
                        V::load_bf16(from.as_ptr().add(feature).cast()).store(to.as_mut_ptr().add(feature));
                    }
                }
                to[whole..].iter_mut().zip(&from[whole..]).for_each(|(to, from)| *to = from.to_f32());
            }
        }
        Block {
            keys,
            values,
            key_stride: head_dim,
            value_stride: head_dim,
            count: block.count,
            seen: block.seen,
        }
    }
}
