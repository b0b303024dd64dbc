//! Fused attention on the CPU over keys and values in f32, bf16 or int8. Scores, softmax and the mixing
//! of values happen in one pass, a block of slots at a time. Queries and outputs are f32, and so are
//! all sums except the integer sums described below.
//!
//! The softmax is the online softmax of Milakov & Gimelshein 2018 (arXiv 1805.02867), in blocks as in
//! FlashAttention (Dao 2022, arXiv 2205.14135). If there are few query rows, the slots are cut into
//! chunks that are merged at the end, as in Flash-Decoding (Dao 2023). Query heads that share a key
//! head are rows of the same tile, so keys are never copied per query head; keys and values are read in
//! place. The cut depends only on shapes and on the vector length of the machine: any number of threads
//! gives the same bits.
//!
//! The cost of bf16 depends on the number of rows in a tile. With few rows, memory bandwidth is the
//! limit: numbers are converted to f32 as they are read, and nothing else is rounded. With many rows,
//! products are the limit: if the machine multiplies pairs of bf16 (`vdpbf16ps`), queries and weights
//! are rounded to bf16 as well; otherwise a block is converted to f32 first, and the cost is that of
//! f32.
//!
//! int8 is similar. With many rows, a block is converted to bf16 or f32, scales included. With few
//! rows, machines with `vpdpwssd` multiply 16-bit integers, to which queries and weights are rounded
//! relative to the largest of their row or block. Other machines convert the numbers to floats.

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

/// Number of products below which a second thread costs more time than it saves.
const PARALLEL_PRODUCTS: usize = 1 << 18;

/// Memory that is reused from call to call. It grows to the largest shape.
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
    /// Memory for these instructions.
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel, partials: Vec::new() }
    }
}

/// Computes attention into `output`, `[tokens, heads * head_dim]`, row-major, with the caller's thread
/// pool.
///
/// Rows that overflow f32 are computed again in f64, slowly: no result is NaN if all inputs are finite.
///
/// # Errors
/// [`ShapeError`] if shapes do not match; nothing is written then.
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
    // Merging a row only copies its partial results, so a thread must get many rows.
    match alone || tokens < 2 * MERGED_ROWS {
        true => output.chunks_exact_mut(width).enumerate().for_each(finish),
        false => {
            output.par_chunks_exact_mut(width).enumerate().with_min_len(MERGED_ROWS).for_each(finish);
        }
    }
    Ok(())
}

/// Fewest tokens that one thread merges.
const MERGED_ROWS: usize = 32;
