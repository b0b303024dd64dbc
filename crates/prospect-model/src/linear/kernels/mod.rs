//! The kernels, and the choice among them at run time.
//!
//! A kernel multiplies a tile of packed rows with one panel of weights. What it reads are arrays whose types carry their
//! length, so the only unsafe steps are the loads and stores of one register each, and the calls of functions that need
//! instructions which an [`Isa`] proves to be there.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use super::panels::{Bf16Step, F32Step, GROUP, Int8Group, PANEL};
use crate::instructions::Level;

/// Instructions that a kernel may use. Only [`Isa::available`] makes one, after it has asked the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// AVX-512 F, BW, VL and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Panels that one row meets at once.
pub(super) const PANELS_AT_ONCE: usize = 4;

/// The most rows of a tile with any instructions.
pub(super) const MAX_TILE_ROWS: usize = 12;

/// Weights of f32 products as they lie in memory; both give the same bits.
#[derive(Clone, Copy)]
pub(super) enum FloatSteps<'a> {
    F32(&'a [F32Step]),
    Bf16(&'a [Bf16Step]),
}

/// Rows of f32 and the panel that they meet.
pub(super) struct FloatTile<'a> {
    /// `[inputs, count]`
    pub(super) rows: &'a [f32],
    /// Rows of the tile, 1 to [`Isa::tile_rows`].
    pub(super) count: usize,
    /// `[inputs]`
    pub(super) steps: FloatSteps<'a>,
    pub(super) bias: &'a [f32; PANEL],
}

/// What the quantised inputs of one row that share a scale need besides their bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowSpan {
    pub(super) scale: f32,
    /// -128 * the sum of the bytes: what a sum starts from whose weights have 128 added.
    pub(super) shift: i32,
}

/// Quantised rows and the panel that they meet.
pub(super) struct Int8Tile<'a> {
    /// `[groups, GROUP_QUADS, count]`, four signed bytes each.
    pub(super) quads: &'a [i32],
    /// `[groups / span, count]`
    pub(super) row_spans: &'a [RowSpan],
    /// Rows of the tile, 1 to [`Isa::tile_rows`].
    pub(super) count: usize,
    /// `[groups]`
    pub(super) groups: &'a [Int8Group],
    /// Groups that share their scales, but for the last ones, which may be fewer.
    pub(super) span: usize,
    pub(super) bias: &'a [f32; PANEL],
}

/// What becomes of the values that an output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// They are overwritten.
    Replace,
    /// The finished product is added to them, in one rounding more.
    Add,
}

impl Store {
    /// Stores `values` in `output`, which is as long.
    pub(super) fn write(self, output: &mut [f32], values: &[f32]) {
        match self {
            Self::Replace => output.copy_from_slice(values),
            Self::Add => output.iter_mut().zip(values).for_each(|(output, value)| *output += value),
        }
    }
}

/// Where a kernel stores whole panels.
pub(super) struct Target<'a> {
    /// Row after row (or panel after panel of one row), [`PANEL`] values at every `stride`.
    pub(super) values: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) store: Store,
}

impl Target<'_> {
    /// # Panics
    /// Where the values end before this row does.
    #[inline]
    fn row(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.stride..][..PANEL]
    }
}

/// Calls `$kernel::<count>` for the counts of one instruction set.
#[cfg(target_arch = "x86_64")]
macro_rules! with_count {
    ($tile:expr, [$($rows:literal)*], $kernel:ident($target:expr)) => {
        match $tile.count {
            $($rows => $kernel::<$rows>($tile, $target),)*
            // `tile_rows` bounds the count; a tile without rows has nothing to do.
            _ => debug_assert!($tile.count == 0, "a tile of {} rows", $tile.count),
        }
    };
}
#[cfg(target_arch = "x86_64")]
use with_count;

impl Isa {
    /// What this machine has, the fastest first; the last is always the portable one.
    #[cfg_attr(not(target_arch = "x86_64"), allow(clippy::vec_init_then_push))]
    pub(crate) fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                all.push(Self(Kind::Avx512));
            }
            if avx2 {
                all.push(Self(Kind::Avx2));
            }
        }
        all.push(Self(Kind::Portable));
        all
    }

    /// The fastest that this machine has, and that is wanted.
    pub(crate) fn detect() -> Self {
        let wanted = |isa: &Self| isa.level().is_allowed();
        Self::available().into_iter().find(wanted).unwrap_or(Self(Kind::Portable))
    }

    fn level(self) -> Level {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Level::Avx512,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Level::Avx2,
            Kind::Portable => Level::Portable,
        }
    }

    /// The most rows of a tile of floats: as many as keep all sums in registers.
    pub(super) fn float_tile_rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => MAX_TILE_ROWS,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 6,
            // Compilers keep the sums of one row in registers; those of two they spill.
            Kind::Portable => 1,
        }
    }

    /// The same for int8.
    pub(super) fn int8_tile_rows(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => 3,
            _ => self.float_tile_rows(),
        }
    }

    /// `bias + rows * steps` for whole panels, added up input by input.
    ///
    /// # Panics
    /// Where the target ends before the last row does.
    pub(super) fn float_tile(self, tile: &FloatTile<'_>, target: Target<'_>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this `Isa` exists only where the processor has the features of the function.
            Kind::Avx512 => unsafe { avx512::float_tile(tile, target) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { avx2::float_tile(tile, target) },
            Kind::Portable => portable::float_tile(tile, target),
        }
    }

    /// `bias`, and for span after span of groups `+ sum * (scale of the row's span * scale of the channel's span)`, for whole
    /// panels. The sums are exact and every other step is rounded everywhere, so that all instruction sets agree to the bit.
    ///
    /// # Panics
    /// Where the target ends before the last row does.
    pub(super) fn int8_tile(self, tile: &Int8Tile<'_>, target: Target<'_>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this `Isa` exists only where the processor has the features of the function.
            Kind::Avx512 => unsafe { avx512::int8_tile(tile, target) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { avx2::int8_tile(tile, target) },
            Kind::Portable => portable::int8_tile(tile, target),
        }
    }

    /// One row against [`PANELS_AT_ONCE`] panels at once, side by side in the target: several streams from memory are read faster than
    /// one. Tiles for one row and each of the panels give the same bits.
    ///
    /// Returns whether there is such a kernel; without one, nothing happens.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn float_panels(
        self,
        row: &[f32],
        steps: FloatSteps<'_>,
        bias: &[[f32; PANEL]],
        target: Target<'_>,
    ) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: this `Isa` exists only where the processor has the features of the function.
                unsafe { avx512::float_panels(row, steps, bias, target) };
                true
            }
            _ => false,
        }
    }

    /// As [`Isa::float_panels`], for a quantised row.
    #[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
    pub(super) fn int8_panels(
        self,
        row: (&[i32], &[RowSpan]),
        (groups, span): (&[Int8Group], usize),
        bias: &[[f32; PANEL]],
        target: Target<'_>,
    ) -> bool {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => {
                // SAFETY: this `Isa` exists only where the processor has the features of the function.
                unsafe { avx512::int8_panels(row, (groups, span), bias, target) };
                true
            }
            _ => false,
        }
    }

    /// Quantises `row` into `bytes`, in groups of [`GROUP`], the last of which may be shorter in `row`; `span` of them share a
    /// scale.
    pub(super) fn quantise(self, row: &[f32], span: usize, bytes: &mut [[i8; GROUP]], spans: &mut [RowSpan]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this `Isa` exists only where the processor has the features of the function.
            Kind::Avx512 => unsafe { avx512::quantise(row, span, bytes, spans) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { avx2::quantise(row, span, bytes, spans) },
            Kind::Portable => portable::quantise(row, span, bytes, spans),
        }
    }
}
