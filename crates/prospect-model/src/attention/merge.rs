//! Merges the partial results of the chunks of a row.

use super::exact;
use super::plan::Plan;
use super::{Inputs, Number};

/// Computes one token's output, `[heads * head_dim]`, with its values turned back.
pub(super) fn token<T: Number>(
    plan: &Plan,
    partials: &[f32],
    inputs: &Inputs<T>,
    token: usize,
    output: &mut [f32],
) {
    for (head, output) in output.chunks_exact_mut(plan.head_dim).enumerate() {
        let row =
            Row { plan, partials, kv_head: head / plan.group, row: token * plan.group + head % plan.group };
        if !row.merge(output) {
            exact::row(inputs, plan.group, head, token, output);
        }
        T::turn(output);
    }
}

struct Row<'a> {
    plan: &'a Plan,
    partials: &'a [f32],
    kv_head: usize,
    row: usize,
}

impl<'a> Row<'a> {
    /// The partial result of a chunk: mixed values, largest score, and sum of weights.
    fn chunk(&self, chunk: usize) -> (&'a [f32], f32, f32) {
        let Plan { tile_rows, head_dim, .. } = *self.plan;
        let (tile, lane) = (self.row / tile_rows, self.row % tile_rows);
        let size = self.plan.partial_size();
        let partial = &self.partials[self.plan.index(self.kv_head, chunk, tile) * size..][..size];
        let state = tile_rows * head_dim;
        let mixed = &partial[lane * head_dim..][..head_dim];
        (mixed, partial[state + lane], partial[state + tile_rows + lane])
    }

    /// Merges the chunks in order, relative to the largest score of all. Returns whether all results
    /// are finite.
    fn merge(&self, output: &mut [f32]) -> bool {
        let chunks = 0..self.plan.chunks();
        let max = chunks.clone().map(|chunk| self.chunk(chunk).1).fold(f32::MIN, f32::max);
        output.fill(0.0);
        let mut total = 0.0;
        for (mixed, own, sum) in chunks.map(|chunk| self.chunk(chunk)) {
            let weight = (own - max).exp2();
            total += sum * weight;
            output.iter_mut().zip(mixed).for_each(|(to, from)| *to += from * weight);
        }
        output.iter_mut().for_each(|value| *value /= total);
        // All values are checked, because that is faster than stopping at the first one.
        total.is_finite()
            && total > 0.0
            && output.iter().fold(true, |so_far, value| so_far & value.is_finite())
    }
}
