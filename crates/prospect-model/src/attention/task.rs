//! One task of attention: some query rows of one key head and some slots, in memory of its own.

use std::cell::RefCell;

use super::kernel::{Block, Kernel, SLOTS};
use super::plan::{Plan, Task};
use super::tile::{Layout, Tile};
use super::{Element, Heads, Inputs, Mask};

thread_local! {
    /// Memory of the tile that a thread works on. It is reused, and small enough for the processor's
    /// caches.
    static MEMORY: RefCell<Memory> = RefCell::default();
}

#[derive(Default)]
struct Memory {
    tile: Vec<f32>,
    packed: Vec<f32>,
    query: Vec<f32>,
    seen: Vec<usize>,
}

/// Computes a task into its partial result: `mixed`, `[tile rows, head_dim]`, then the largest score
/// and the sum of weights of each row. `mixed` is not divided by the sum yet.
pub(super) fn compute<T: Element>(
    kernel: Kernel,
    plan: &Plan,
    task: Task,
    inputs: &Inputs<T>,
    partial: &mut [f32],
) {
    MEMORY.with_borrow_mut(|Memory { tile, packed, query, seen }| {
        let mut tile = Tile::new(kernel, plan, task.rows.len(), tile);
        let packed = aligned(packed, 2 * SLOTS * plan.head_dim);
        tile.take_queries::<T>(kernel, plan, &task, &inputs.queries, query);
        kernel.prepare::<T>(&mut tile);
        let visible = |row: usize| match inputs.mask {
            Mask::Causal { cached } => cached + row / plan.group + 1,
            Mask::None => plan.slots,
        };
        // Rows are ordered by token, so the last one sees the most slots.
        let end = task.slots.end.min(visible(task.rows.end - 1));
        for start in (task.slots.start..end).step_by(SLOTS) {
            let count = SLOTS.min(end - start);
            seen.clear();
            seen.extend(task.rows.clone().map(|row| visible(row).saturating_sub(start).min(count)));
            let block = Block {
                keys: inputs.keys.from(task.kv_head, start),
                values: inputs.values.from(task.kv_head, start),
                key_stride: inputs.keys.token_stride,
                value_stride: inputs.values.token_stride,
                count,
                seen,
            };
            kernel.absorb(&mut tile, &block, packed);
        }
        tile.write::<T>(kernel, plan, partial);
    });
}

impl<'a> Tile<'a> {
    fn new(kernel: Kernel, plan: &Plan, rows: usize, memory: &'a mut Vec<f32>) -> Self {
        let (lanes, head_dim) = (kernel.lanes(), plan.head_dim);
        let (padded_rows, padded) = (rows.next_multiple_of(lanes), head_dim.next_multiple_of(2 * lanes));
        let (matrix, state) = (padded_rows * padded, padded_rows.next_multiple_of(16));
        let mut rest = aligned(memory, 2 * matrix + padded_rows * SLOTS + 3 * state);
        let mut take = |length: usize| {
            let (taken, behind) = std::mem::take(&mut rest).split_at_mut(length);
            rest = behind;
            taken
        };
        let (queries, mixed, scores) = (take(matrix), take(matrix), take(padded_rows * SLOTS));
        let (max, sum, correction) = (take(state), take(state), take(state));
        mixed.fill(0.0);
        max.fill(f32::MIN);
        sum.fill(0.0);
        let scale = ((head_dim as f64).powf(-0.5) * std::f64::consts::LOG2_E) as f32;
        Self { layout: plan.layout, rows, head_dim, scale, queries, scores, mixed, max, sum, correction }
    }

    /// Copies the queries, turned like the keys, in the order of the kernel, padded with 0. `turned` is
    /// memory for one query.
    fn take_queries<T: Element>(
        &mut self,
        kernel: Kernel,
        plan: &Plan,
        task: &Task,
        queries: &Heads,
        turned: &mut Vec<f32>,
    ) {
        let (padded, width) = (self.padded(kernel.lanes()), self.width(kernel.lanes()));
        self.queries.fill(0.0);
        for (index, row) in task.rows.clone().enumerate() {
            let head = task.kv_head * plan.group + row % plan.group;
            turned.clear();
            turned.extend_from_slice(queries.row(head, row / plan.group));
            T::turn(turned);
            match self.layout {
                Layout::Narrow => kernel.spread::<T>(turned, &mut self.queries[index * padded..][..padded]),
                Layout::Wide | Layout::Paired => {
                    let to = self.queries[index..].iter_mut().step_by(width);
                    to.zip(&*turned).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }

    fn write<T: Element>(&self, kernel: Kernel, plan: &Plan, partial: &mut [f32]) {
        let (padded, width) = (self.padded(kernel.lanes()), self.width(kernel.lanes()));
        let (mixed, state) = partial.split_at_mut(plan.tile_rows * self.head_dim);
        for (index, row) in mixed.chunks_exact_mut(self.head_dim).take(self.rows).enumerate() {
            match self.layout {
                Layout::Narrow => kernel.gather::<T>(&self.mixed[index * padded..][..padded], row),
                Layout::Wide | Layout::Paired => {
                    let from = self.mixed[index..].iter().step_by(width);
                    row.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
        let (max, sum) = state.split_at_mut(plan.tile_rows);
        max[..self.rows].copy_from_slice(&self.max[..self.rows]);
        sum[..self.rows].copy_from_slice(&self.sum[..self.rows]);
    }
}

/// The first `length` floats from the start of a cache line on, because a vector that crosses lines
/// costs two loads.
fn aligned(memory: &mut Vec<f32>, length: usize) -> &mut [f32] {
    const LINE: usize = 64;
    let room = length + LINE / size_of::<f32>();
    if memory.len() < room {
        memory.resize(room, 0.0);
    }
    let start = memory.as_ptr().align_offset(LINE).min(room - length);
    &mut memory[start..start + length]
}
