//! Cuts attention into tasks, from the shapes and the vector length alone. The result therefore does
//! not depend on the number of threads.

use std::ops::Range;

use super::Element;
use super::kernel::{Kernel, NARROW, SLOTS};
use super::tile::Layout;

/// Largest number of rows of a key head for which narrow tiles are used. A wide tile takes as long for
/// one row as for a vector of rows.
const MAX_NARROW_ROWS: usize = 8;

/// Fewest slots of a task with narrow tiles: 128 KB of keys and values at 64 features.
const NARROW_CHUNK: usize = 2 * SLOTS;

/// Fewest slots of a task with wide tiles. At 64 features, their keys and values fit the second-level
/// cache for the next tiles.
const WIDE_CHUNK: usize = 4 * SLOTS;

/// From this number of tasks on, slots are not cut: that is enough work for a few threads.
const TASKS: usize = 48;

/// The cut. The rows of a key head are the query heads that share it, token by token: row
/// `token * group + head`.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) head_dim: usize,
    pub(super) kv_heads: usize,
    /// Query heads per key head.
    pub(super) group: usize,
    /// Query rows per key head.
    pub(super) rows: usize,
    pub(super) slots: usize,
    pub(super) layout: Layout,
    pub(super) tile_rows: usize,
    pub(super) chunk: usize,
}

/// Some rows of one key head, and some slots.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) kv_head: usize,
    pub(super) rows: Range<usize>,
    pub(super) slots: Range<usize>,
}

impl Plan {
    pub(super) fn new<T: Element>(
        kernel: Kernel,
        [heads, kv_heads, head_dim]: [usize; 3],
        tokens: usize,
        slots: usize,
    ) -> Self {
        let group = heads / kv_heads;
        let rows = tokens * group;
        let layout = match rows > MAX_NARROW_ROWS {
            true if kernel.pairs::<T>(head_dim) => Layout::Paired,
            true => Layout::Wide,
            false => Layout::Narrow,
        };
        let (most, smallest) = match layout {
            Layout::Narrow => (NARROW, NARROW_CHUNK),
            Layout::Wide | Layout::Paired => (kernel.wide_rows(), WIDE_CHUNK),
        };
        let tile_rows = most.min(rows);
        let chunks = TASKS.div_ceil(kv_heads * rows.div_ceil(tile_rows));
        let chunk = slots.div_ceil(chunks).next_multiple_of(SLOTS).max(smallest);
        Self { head_dim, kv_heads, group, rows, slots, layout, tile_rows, chunk }
    }

    pub(super) fn tiles(&self) -> usize {
        self.rows.div_ceil(self.tile_rows)
    }

    pub(super) fn chunks(&self) -> usize {
        self.slots.div_ceil(self.chunk)
    }

    pub(super) fn tasks(&self) -> usize {
        self.kv_heads * self.chunks() * self.tiles()
    }

    /// Number of floats in a task's partial result.
    pub(super) fn partial_size(&self) -> usize {
        self.tile_rows * (self.head_dim + 2)
    }

    /// Index of the task of a tile and a chunk. Tiles of one chunk are neighbours, so that its keys
    /// stay in the processor's cache.
    pub(super) fn index(&self, kv_head: usize, chunk: usize, tile: usize) -> usize {
        (kv_head * self.chunks() + chunk) * self.tiles() + tile
    }

    pub(super) fn task(&self, index: usize) -> Task {
        let (chunk, tile) = (index / self.tiles(), index % self.tiles());
        let (kv_head, chunk) = (chunk / self.chunks(), chunk % self.chunks());
        let range = |index: usize, step: usize, end: usize| index * step..end.min((index + 1) * step);
        Task {
            kv_head,
            rows: range(tile, self.tile_rows, self.rows),
            slots: range(chunk, self.chunk, self.slots),
        }
    }

    /// Number of products: one per feature for a score and one for mixing a value. It measures the
    /// work.
    pub(super) fn products(&self) -> usize {
        2 * self.kv_heads * self.rows * self.slots * self.head_dim
    }
}
