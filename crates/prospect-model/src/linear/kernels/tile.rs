//! What a kernel reads and writes in one go: a tile of rows and the panels that they meet.

use crate::linear::panels::{FloatSteps, Int8Group, PANEL};

/// Panels that one row meets at once.
pub(in crate::linear) const PANELS_AT_ONCE: usize = 4;

/// The most rows of a tile with any instructions.
pub(in crate::linear) const MAX_TILE_ROWS: usize = 12;

/// Rows of f32 and the panel that they meet.
pub(in crate::linear) struct FloatTile<'a> {
    /// `[inputs, count]`
    pub(in crate::linear) rows: &'a [f32],
    /// Rows of the tile, 1 to `tile_rows` of [`super::Isa`].
    pub(in crate::linear) count: usize,
    /// `[inputs]`
    pub(in crate::linear) steps: FloatSteps<'a>,
    pub(in crate::linear) bias: &'a [f32; PANEL],
}

/// What the quantised inputs of one row that share a scale need besides their bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::linear) struct RowSpan {
    pub(in crate::linear) scale: f32,
    /// -128 * the sum of the bytes: what a sum starts from whose weights have 128 added.
    pub(in crate::linear) shift: i32,
}

/// Quantised rows and the panel that they meet.
pub(in crate::linear) struct Int8Tile<'a> {
    /// `[groups, GROUP_QUADS, count]`, four signed bytes each.
    pub(in crate::linear) quads: &'a [i32],
    /// `[groups / span, count]`
    pub(in crate::linear) row_spans: &'a [RowSpan],
    /// Rows of the tile, 1 to `tile_rows` of [`super::Isa`].
    pub(in crate::linear) count: usize,
    /// `[groups]`
    pub(in crate::linear) groups: &'a [Int8Group],
    /// Groups that share their scales, but for the last ones, which may be fewer.
    pub(in crate::linear) span: usize,
    pub(in crate::linear) bias: &'a [f32; PANEL],
}

/// What becomes of the values that an output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::linear) enum Store {
    /// They are overwritten.
    Replace,
    /// The finished product is added to them, in one rounding more.
    Add,
}

impl Store {
    /// Stores `values` in `output`, which is as long.
    pub(in crate::linear) fn write(self, output: &mut [f32], values: &[f32]) {
        match self {
            Self::Replace => output.copy_from_slice(values),
            Self::Add => output.iter_mut().zip(values).for_each(|(output, value)| *output += value),
        }
    }
}

/// Where a kernel stores whole panels.
pub(in crate::linear) struct Target<'a> {
    /// Row after row (or panel after panel of one row), [`PANEL`] values at every `stride`.
    pub(in crate::linear) values: &'a mut [f32],
    pub(in crate::linear) stride: usize,
    pub(in crate::linear) store: Store,
}

impl Target<'_> {
    /// # Panics
    /// Where the values end before this row does.
    #[inline]
    pub(super) fn row(&mut self, row: usize) -> &mut [f32] {
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
pub(super) use with_count;
