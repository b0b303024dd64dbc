//! How attention is cut into tasks: by its shape and the width of the vectors alone, so that a result does not depend on how
//! many threads there are.

use std::ops::Range;

use super::Element;
use super::kernel::{Kernel, NARROW, SLOTS};
use super::tile::Layout;

/// Rows up to which a lane is a feature: a wide tile takes the same time for one row as for a vector of them.
const MAX_NARROW_ROWS: usize = 8;

/// Fewest slots of a task of a narrow tile: 128 KB of keys and values at 64 features.
const NARROW_CHUNK: usize = 2 * SLOTS;

/// Fewest slots of a task of a wide tile; at 64 features its keys and values fit the second cache for the tiles that follow.
const WIDE_CHUNK: usize = 4 * SLOTS;

/// Tasks from which on slots are no longer cut: enough to keep a few threads evenly busy.
const TASKS: usize = 48;

/// The cut. The rows of a key head are its query heads by token: row `token * group + head`.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) head_dim: usize,
    pub(super) kv_heads: usize,
    /// Query heads a key head.
    pub(super) group: usize,
    /// Query rows a key head.
    pub(super) rows: usize,
    pub(super) slots: usize,
    pub(super) layout: Layout,
    pub(super) tile_rows: usize,
    pub(super) chunk: usize,
}

/// Some rows of one key head against some slots.
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

    /// Floats of a task's partial result.
    pub(super) fn partial_size(&self) -> usize {
        self.tile_rows * (self.head_dim + 2)
    }

    /// Where the task of a tile and a chunk is: tiles of one chunk are neighbours, so that its keys stay in the cache.
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

    /// Products of attention, one for a score and one for a value: the measure of its work.
    pub(super) fn products(&self) -> usize {
        2 * self.kv_heads * self.rows * self.slots * self.head_dim
    }
}
