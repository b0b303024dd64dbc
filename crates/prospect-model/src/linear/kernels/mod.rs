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
mod tile;

use super::panels::{FloatSteps, GROUP, Int8Group, PANEL};
use crate::instructions::Level;

pub(super) use tile::{FloatTile, Int8Tile, MAX_TILE_ROWS, PANELS_AT_ONCE, RowSpan, Store, Target};

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
