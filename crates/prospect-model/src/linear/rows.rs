//! Rows of inputs as the kernels read them.

use std::ops::Range;

use super::kernels::{Isa, RowSpan};
use super::panels::{GROUP, GROUP_QUADS, Int8Panels, QUAD};
use crate::rotation::rotate;

/// Rows tile by tile; of each tile, the rows side by side for every input. The buffers grow and keep what they once held.
#[derive(Default)]
pub(super) struct PackedRows {
    /// `[inputs, rows of the tile]` of each tile.
    pub(super) floats: Vec<f32>,
    /// `[groups, GROUP_QUADS, rows of the tile]` of each tile.
    pub(super) quads: Vec<i32>,
    /// `[spans of groups, rows of the tile]` of each tile.
    pub(super) spans: Vec<RowSpan>,
    /// One quantised row.
    row: (Vec<[i8; GROUP]>, Vec<RowSpan>),
    /// One rotated row.
    rotated: Vec<f32>,
}

/// The tiles of `rows` rows: as few as possible, and as equal as possible.
pub(super) fn tiles(rows: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = rows.div_ceil(most);
    let start = move |index: usize| index * rows / count;
    (0..count).map(move |index| start(index)..start(index + 1))
}

impl PackedRows {
    pub(super) fn pack_floats(&mut self, input: &[f32], inputs: usize, isa: Isa) {
        let rows = input.len() / inputs;
        grow(&mut self.floats, input.len());
        for tile in tiles(rows, isa.float_tile_rows()) {
            let values = tile.start * inputs..tile.end * inputs;
            interleave(&input[values.clone()], inputs, tile.len(), &mut self.floats[values]);
        }
    }

    /// Quantises rows as the weights that they meet were.
    pub(super) fn quantise(&mut self, input: &[f32], inputs: usize, weights: &Int8Panels, isa: Isa) {
        let (rows, groups, span) = (input.len() / inputs, inputs.div_ceil(GROUP), weights.span);
        let spans = groups.div_ceil(span);
        grow(&mut self.quads, rows * groups * GROUP_QUADS);
        grow(&mut self.spans, rows * spans);
        self.row.0.resize(groups, [0; GROUP]);
        self.row.1.resize(spans, RowSpan::default());
        for tile in tiles(rows, isa.int8_tile_rows()) {
            let row_spans = &mut self.spans[tile.start * spans..tile.end * spans];
            let quads = &mut self.quads[tile.start * groups * GROUP_QUADS..tile.end * groups * GROUP_QUADS];
            for (index, row) in tile.clone().enumerate() {
                let row = &input[row * inputs..][..inputs];
                let row = if weights.rotated { rotated_groups(row, &mut self.rotated) } else { row };
                isa.quantise(row, span, &mut self.row.0, &mut self.row.1);
                for (slot, span) in row_spans[index..].iter_mut().step_by(tile.len()).zip(&self.row.1) {
                    *slot = *span;
                }
                let bytes = self.row.0.as_flattened().as_chunks::<QUAD>().0;
                for (slot, quad) in quads[index..].iter_mut().step_by(tile.len()).zip(bytes) {
                    *slot = i32::from_le_bytes(quad.map(i8::cast_unsigned));
                }
            }
        }
    }
}

/// The row in `memory`, filled up with zeros to whole groups and rotated.
pub(super) fn rotated_groups<'a>(row: &[f32], memory: &'a mut Vec<f32>) -> &'a [f32] {
    memory.clear();
    memory.extend_from_slice(row);
    memory.resize(row.len().next_multiple_of(GROUP), 0.0);
    rotate(memory);
    memory
}

fn grow<T: Clone + Default>(buffer: &mut Vec<T>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
}

/// `[rows, inputs]` to `[inputs, rows]`, a cache line of each row at a time.
fn interleave(source: &[f32], inputs: usize, rows: usize, packed: &mut [f32]) {
    const LINE: usize = 16;
    for start in (0..inputs).step_by(LINE) {
        let end = inputs.min(start + LINE);
        for (row, values) in source.chunks_exact(inputs).enumerate() {
            let slots = packed[start * rows..end * rows].iter_mut().skip(row).step_by(rows);
            for (slot, value) in slots.zip(&values[start..end]) {
                *slot = *value;
            }
        }
    }
}
