//! How a product is cut into pieces for threads and caches.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::kernels::{FloatTile, Int8Tile, MAX_TILE_ROWS, PANELS_AT_ONCE, Store, Target};
use super::packed::{PackedLinear, PackedWeights};
use super::panels::{GROUP, GROUP_QUADS, PANEL};
use super::rows::{PackedRows, tiles};

/// Rows of a block, whose packed inputs stay in the L2 cache while all panels pass by: 48 rows of 3072 f32 are 590 KB.
/// [`PackedLinear::forward_block`] is best given as many; more are computed block after block.
pub const BLOCK_ROWS: usize = 48;

/// With fewer rows, every thread would read all weights for too little arithmetic, so panels are split instead of rows.
pub(crate) const SPLIT_ROWS: usize = 24;

/// Weights that are worth handing to another thread: 2 us at 16 GB/s.
const SPLIT_BYTES: usize = 32 * 1024;

/// Outputs that are worth it: 2 us from cache to cache, after which a thread without work begins to fall asleep.
const SPLIT_FLOATS: usize = 16 * 1024;

/// Buffers of one thread.
#[derive(Default)]
struct Scratch {
    packed: PackedRows,
    /// Outputs of a split by panels, `[panel, row, PANEL]`.
    stripes: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Lends the thread's buffers to `work`. They are taken out meanwhile: a thread that waits in a join may be given a piece of
/// another product, which then starts with empty ones.
fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    let mut scratch = SCRATCH.take();
    work(&mut scratch);
    SCRATCH.set(scratch);
}

impl PackedLinear {
    /// Splits the product over the threads of the pool.
    pub(super) fn schedule(&self, input: &[f32], rows: usize, output: &mut [f32], store: Store) {
        if output.is_empty() {
            // Nothing to split.
        } else if rows < SPLIT_ROWS {
            self.split_panels(input, rows, output, store);
        } else {
            let threads = rayon::current_num_threads();
            let blocks = rows.div_ceil(BLOCK_ROWS).next_multiple_of(threads);
            self.split_rows(input, output, rows.div_ceil(blocks).max(1), store);
        }
    }

    /// Computes the whole product in this thread.
    pub(super) fn blocks(&self, input: &[f32], output: &mut [f32], store: Store) {
        if output.is_empty() {
            return;
        }
        let blocks = input.chunks(BLOCK_ROWS * self.inputs);
        for (input, output) in blocks.zip(output.chunks_mut(BLOCK_ROWS * self.outputs)) {
            with_scratch(|scratch| self.block(input, &mut scratch.packed, output, store));
        }
    }

    /// Halves the rows until a block is left.
    fn split_rows(&self, input: &[f32], output: &mut [f32], block: usize, store: Store) {
        let rows = input.len() / self.inputs;
        if rows <= block {
            with_scratch(|scratch| self.block(input, &mut scratch.packed, output, store));
            return;
        }
        let half = rows.div_ceil(block) / 2 * block;
        let (input, rest) = input.split_at(half * self.inputs);
        let (output, output_rest) = output.split_at_mut(half * self.outputs);
        rayon::join(
            || self.split_rows(input, output, block, store),
            || self.split_rows(rest, output_rest, block, store),
        );
    }

    /// All panels for a block of rows.
    fn block(&self, input: &[f32], packed: &mut PackedRows, output: &mut [f32], store: Store) {
        let rows = input.len() / self.inputs;
        self.pack(input, packed);
        if rows == 1 {
            return self.panels(packed, 0, 1, output, usize::MAX, store);
        }
        for panel in 0..self.outputs.div_ceil(PANEL) {
            let width = PANEL.min(self.outputs - panel * PANEL);
            for tile in tiles(rows, self.tile_rows()) {
                let output = &mut output[tile.start * self.outputs..tile.end * self.outputs];
                if width == PANEL {
                    let values = &mut output[panel * PANEL..];
                    self.tile(packed, panel, tile, Target { values, stride: self.outputs, store });
                } else {
                    let mut whole = [0.0; MAX_TILE_ROWS * PANEL];
                    self.tile(packed, panel, tile, stripe_target(&mut whole, Store::Replace));
                    for (row, whole) in output.chunks_exact_mut(self.outputs).zip(whole.chunks_exact(PANEL)) {
                        store.write(&mut row[panel * PANEL..], &whole[..width]);
                    }
                }
            }
        }
    }

    /// Packs the rows once and halves the panels.
    fn split_panels(&self, input: &[f32], rows: usize, output: &mut [f32], store: Store) {
        with_scratch(|scratch| {
            self.pack(input, &mut scratch.packed);
            let panel_bytes = self.weight_bytes() / self.outputs.div_ceil(PANEL);
            let alone = rayon::current_num_threads() == 1;
            let least = if alone { usize::MAX } else { SPLIT_BYTES.div_ceil(panel_bytes) };
            if rows == 1 {
                return self.panels(&scratch.packed, 0, 1, output, least, store);
            }
            let size = self.outputs.next_multiple_of(PANEL) * rows;
            scratch.stripes.resize(scratch.stripes.len().max(size), 0.0);
            let stripes = &mut scratch.stripes[..size];
            self.panels(&scratch.packed, 0, rows, stripes, least, Store::Replace);
            let stripes = &*stripes;
            let gather = |(row, output): (usize, &mut [f32])| {
                for (panel, output) in output.chunks_mut(PANEL).enumerate() {
                    store.write(output, &stripes[(panel * rows + row) * PANEL..][..output.len()]);
                }
            };
            match alone || output.len() < SPLIT_FLOATS {
                true => output.chunks_exact_mut(self.outputs).enumerate().for_each(gather),
                false => output.par_chunks_exact_mut(self.outputs).enumerate().for_each(gather),
            }
        });
    }

    /// Panels from `first` on, `[panel, rows, PANEL]`, as many as `stripes` holds; the last one may be cut where there is one row.
    fn panels(
        &self,
        packed: &PackedRows,
        first: usize,
        rows: usize,
        stripes: &mut [f32],
        least: usize,
        store: Store,
    ) {
        let count = stripes.len().div_ceil(PANEL * rows);
        if count > least {
            let half = (count / 2).next_multiple_of(PANELS_AT_ONCE).min(count - 1);
            let (stripes, rest) = stripes.split_at_mut(half * PANEL * rows);
            rayon::join(
                || self.panels(packed, first, rows, stripes, least, store),
                || self.panels(packed, first + half, rows, rest, least, store),
            );
            return;
        }
        let whole = if rows == 1 { self.panels_at_once(packed, first, stripes, store) } else { 0 };
        let (first, stripes) = (first + whole, &mut stripes[whole * PANEL..]);
        for (panel, stripe) in stripes.chunks_mut(PANEL * rows).enumerate() {
            if stripe.len() < PANEL * rows {
                let mut whole = [0.0; PANEL];
                self.tile(packed, first + panel, 0..1, stripe_target(&mut whole, Store::Replace));
                store.write(stripe, &whole[..stripe.len()]);
                continue;
            }
            for tile in tiles(rows, self.tile_rows()) {
                let stripe = &mut stripe[tile.start * PANEL..tile.end * PANEL];
                self.tile(packed, first + panel, tile, stripe_target(stripe, store));
            }
        }
    }

    /// As many panels as one row meets [`PANELS_AT_ONCE`] at once, from panel `first` on; returns how many that were.
    fn panels_at_once(&self, packed: &PackedRows, first: usize, output: &mut [f32], store: Store) -> usize {
        let mut panel = first;
        for output in output.chunks_exact_mut(PANELS_AT_ONCE * PANEL) {
            let (range, target) = (panel..panel + PANELS_AT_ONCE, stripe_target(output, store));
            let done = match &self.weights {
                PackedWeights::Float(panels) => {
                    let steps = panels.steps(range.clone(), self.inputs);
                    self.isa.float_panels(&packed.floats[..self.inputs], steps, &panels.bias[range], target)
                }
                PackedWeights::Int8(panels) => {
                    let count = self.inputs.div_ceil(GROUP);
                    let spans = &packed.spans[..count.div_ceil(panels.span)];
                    let row = (&packed.quads[..count * GROUP_QUADS], spans);
                    let groups = &panels.groups[range.start * count..range.end * count];
                    self.isa.int8_panels(row, (groups, panels.span), &panels.bias[range], target)
                }
            };
            if !done {
                break;
            }
            panel += PANELS_AT_ONCE;
        }
        panel - first
    }

    fn pack(&self, input: &[f32], packed: &mut PackedRows) {
        match &self.weights {
            PackedWeights::Float(_) => packed.pack_floats(input, self.inputs, self.isa),
            PackedWeights::Int8(panels) => packed.quantise(input, self.inputs, panels, self.isa),
        }
    }

    /// The most rows of a tile.
    fn tile_rows(&self) -> usize {
        match self.weights {
            PackedWeights::Float(_) => self.isa.float_tile_rows(),
            PackedWeights::Int8(_) => self.isa.int8_tile_rows(),
        }
    }

    /// One tile of packed rows against one whole panel.
    fn tile(&self, packed: &PackedRows, panel: usize, tile: Range<usize>, target: Target<'_>) {
        let count = tile.len();
        match &self.weights {
            PackedWeights::Float(panels) => {
                let rows = &packed.floats[tile.start * self.inputs..tile.end * self.inputs];
                let steps = panels.steps(panel..panel + 1, self.inputs);
                self.isa.float_tile(&FloatTile { rows, count, steps, bias: &panels.bias[panel] }, target);
            }
            PackedWeights::Int8(panels) => {
                let groups = self.inputs.div_ceil(GROUP);
                let (quads, spans) = (groups * GROUP_QUADS, groups.div_ceil(panels.span));
                let tile = Int8Tile {
                    quads: &packed.quads[tile.start * quads..tile.end * quads],
                    row_spans: &packed.spans[tile.start * spans..tile.end * spans],
                    count,
                    groups: &panels.groups[panel * groups..][..groups],
                    span: panels.span,
                    bias: &panels.bias[panel],
                };
                self.isa.int8_tile(&tile, target);
            }
        }
    }
}

/// Rows of one panel, or panels of one row, without anything in between.
fn stripe_target(values: &mut [f32], store: Store) -> Target<'_> {
    Target { values, stride: PANEL, store }
}
