//! Distributes the rows of a stage over threads.

use std::cell::RefCell;

use rayon::prelude::*;

use super::lend::sized;
use crate::error::Result;
use crate::linear::{BLOCK_ROWS, PackedLinear, SPLIT_ROWS};

/// The threads that compute a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// Only the calling thread. Other threads compute other rows.
    One,
    /// All threads of the pool, each for some of the outputs.
    All,
}

impl Threads {
    /// `output = input W^T + b`
    pub(super) fn product(self, linear: &PackedLinear, input: &[f32], output: &mut [f32]) -> Result<()> {
        let rows = input.len() / linear.inputs();
        match self {
            Self::One => linear.forward_block(input, rows, output)?,
            Self::All => linear.forward_into(input, rows, output)?,
        }
        Ok(())
    }

    /// `output += input W^T + b`
    pub(super) fn add_product(self, linear: &PackedLinear, input: &[f32], output: &mut [f32]) -> Result<()> {
        let rows = input.len() / linear.inputs();
        match self {
            Self::One => linear.accumulate_block(input, rows, output)?,
            Self::All => linear.accumulate_into(input, rows, output)?,
        }
        Ok(())
    }

    /// Runs `work` over rows of a stage, `[rows, width]` each of input and output. All threads take
    /// part if they have no other rows and the work is worth it. Otherwise they would fall asleep
    /// meanwhile, and waking them takes longer than this work.
    pub(super) fn by_rows(
        self,
        (input, input_width): (&[f32], usize),
        (output, width): (&mut [f32], usize),
        work: impl Fn(&[f32], &mut [f32]) -> Result<()> + Sync,
    ) -> Result<()> {
        let (rows, threads) = (output.len() / width, rayon::current_num_threads());
        if self == Self::One || threads == 1 || rows < 2 || output.len() < SHARED_FLOATS {
            return work(input, output);
        }
        let each = rows.div_ceil(threads);
        let inputs = input.par_chunks(each * input_width);
        output.par_chunks_mut(each * width).zip(inputs).try_for_each(|(output, input)| work(input, output))
    }
}

/// Outputs of an activation for which another thread pays off: a few microseconds of work.
const SHARED_FLOATS: usize = 6 * 1024;

thread_local! {
    /// Memory of each thread for the values between the products of a stage.
    static BETWEEN: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Runs `stage(threads, first row, output rows, memory)` over `output`, `[rows, width]`, block by
/// block. `memory` holds `between` floats per row, with unspecified contents.
pub(super) fn for_rows(
    output: &mut [f32],
    width: usize,
    between: usize,
    stage: impl Fn(Threads, usize, &mut [f32], &mut [f32]) -> Result<()> + Sync,
) -> Result<()> {
    let run = |threads, first: usize, output: &mut [f32]| {
        // Taken out during the stage, because a thread that waits within a product can be given work of
        // another stream.
        let mut memory = BETWEEN.take();
        let floats = output.len() / width * between;
        let result = stage(threads, first, output, sized(&mut memory, floats));
        BETWEEN.set(memory);
        result
    };
    let rows = output.len() / width;
    if rows < SPLIT_ROWS {
        return run(Threads::All, 0, output);
    }
    let block = block_rows(rows, rayon::current_num_threads());
    let blocks = output.par_chunks_mut(block * width).enumerate();
    blocks.try_for_each(|(index, output)| run(Threads::One, index * block, output))
}

/// Number of rows of a block. Blocks have nearly equal sizes, and their number is a multiple of the
/// number of threads.
fn block_rows(rows: usize, threads: usize) -> usize {
    let blocks = rows.div_ceil(BLOCK_ROWS).next_multiple_of(threads.max(1));
    rows.div_ceil(blocks).max(1)
}

/// Runs `work` within the thread pool. A split then wakes one thread instead of two.
pub(super) fn in_pool<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::current_thread_index().is_some() || rayon::current_num_threads() == 1 {
        true => work(),
        false => rayon::scope(|_| work()),
    }
}
