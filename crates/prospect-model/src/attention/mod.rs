//! Fused attention on the CPU over keys and values in f32, bf16 or int8: scores, softmax and mixing of values in one pass, a block
//! of slots at a time. Queries, outputs and sums are f32, but for the sums of words that are said below.
//!
//! The softmax is the online one of Milakov & Gimelshein 2018 (arXiv 1805.02867), in blocks as in FlashAttention (Dao 2022,
//! arXiv 2205.14135); where there are few query rows, slots are cut into chunks that are merged at the end, as in
//! Flash-Decoding (Dao 2023). Query heads that share a key head are rows of the same tile, so keys are never expanded, and keys
//! and values are read where they lie. The cut depends on shapes and on the vectors of the machine, never on threads:
//! one thread and many give the same bits.
//!
//! What bf16 costs and brings depends on the rows of a tile. Few rows wait for memory: numbers become f32 as they are read, and
//! nothing else is rounded. Many rows wait for products: where the machine multiplies pairs of bf16 (`vdpbf16ps`), queries and
//! weights are rounded to bf16 as well; elsewhere a block becomes f32 before its turn, and costs what f32 costs.
//!
//! int8 goes the same ways: many rows see a block widened to bf16 or f32 with its scales. Few rows multiply it in words of 16 bits
//! where the machine has `vpdpwssd`, queries and weights rounded to words of the largest in their row or block, and as floats
//! elsewhere.

mod exact;
mod inputs;
pub(crate) mod int8;
mod kernel;
mod merge;
mod plan;
mod rounded;
mod task;
#[cfg(test)]
mod tests;
mod tile;
mod view;

use rayon::prelude::*;

pub use inputs::{Inputs, Mask};
pub use kernel::{Element, Kernel, Number};
pub use rounded::Rounded;
pub use view::{Heads, ShapeError};

use plan::Plan;

/// Products below which a second thread costs more than it brings.
const PARALLEL_PRODUCTS: usize = 1 << 18;

/// Memory that calls reuse: it grows to the largest shape and stays.
#[derive(Debug)]
pub struct Scratch {
    kernel: Kernel,
    partials: Vec<f32>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new(Kernel::detect())
    }
}

impl Scratch {
    /// For these instructions.
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel, partials: Vec::new() }
    }
}

/// Attention into `output [tokens, heads * head_dim]`, row-major, in the pool of threads of the caller.
///
/// Where f32 overflows, a row is computed again in f64, slowly: no row is NaN if all inputs are finite.
///
/// # Errors
/// [`ShapeError`] if shapes do not fit; nothing is written then.
pub fn attend<T: Element>(
    scratch: &mut Scratch,
    inputs: &Inputs<T>,
    output: &mut [f32],
) -> Result<(), ShapeError> {
    inputs.check(output.len())?;
    let Heads { heads, tokens, head_dim, .. } = inputs.queries;
    if output.is_empty() {
        return Ok(());
    }
    let kernel = scratch.kernel;
    let plan = Plan::new::<T>(kernel, [heads, inputs.keys.heads, head_dim], tokens, inputs.keys.tokens);
    let (size, needed) = (plan.partial_size(), plan.tasks() * plan.partial_size());
    if scratch.partials.len() < needed {
        scratch.partials.resize(needed, 0.0);
    }
    let partials = &mut scratch.partials[..needed];
    let alone = plan.products() < PARALLEL_PRODUCTS || rayon::current_num_threads() == 1;
    let compute = |(index, partial): (usize, &mut [f32])| {
        task::compute(kernel, &plan, plan.task(index), inputs, partial);
    };
    match alone {
        true => partials.chunks_exact_mut(size).enumerate().for_each(compute),
        false => partials.par_chunks_exact_mut(size).enumerate().for_each(compute),
    }
    let (partials, width) = (&*partials, heads * head_dim);
    let finish = |(token, row): (usize, &mut [f32])| merge::token(&plan, partials, inputs, token, row);
    // A merged row is a copy of its partial results: a task for a thread is many of them.
    match alone || tokens < 2 * MERGED_ROWS {
        true => output.chunks_exact_mut(width).enumerate().for_each(finish),
        false => {
            output.par_chunks_exact_mut(width).enumerate().with_min_len(MERGED_ROWS).for_each(finish);
        }
    }
    Ok(())
}

/// Fewest tokens that a thread merges.
const MERGED_ROWS: usize = 32;
