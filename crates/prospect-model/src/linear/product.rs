//! Products with a packed layer, for callers: what is given is checked here, and cut into pieces in `schedule.rs`.

use super::error::LinearError;
use super::kernels::Store;
use super::packed::PackedLinear;

impl PackedLinear {
    /// `input` `[rows, inputs]` to `output` `[rows, outputs]`, which is overwritten; the threads of the pool share the work.
    ///
    /// As all products, this packs its inputs in a buffer that each thread keeps and grows, so that a call allocates nothing
    /// once it has seen its largest shape. A row's outputs depend neither on the other rows nor on the threads.
    ///
    /// # Errors
    /// Slices of the wrong length; `output` is untouched then.
    pub fn forward_into(&self, input: &[f32], rows: usize, output: &mut [f32]) -> Result<(), LinearError> {
        self.check(input, rows, output)?;
        self.schedule(input, rows, output, Store::Replace);
        Ok(())
    }

    /// As [`PackedLinear::forward_into`], but adds to `output`: the bits are those of the product, bias included, computed
    /// first and added to the old value afterwards, as a residual connection does.
    ///
    /// # Errors
    /// As [`PackedLinear::forward_into`].
    pub fn accumulate_into(&self, input: &[f32], rows: usize, output: &mut [f32]) -> Result<(), LinearError> {
        self.check(input, rows, output)?;
        self.schedule(input, rows, output, Store::Add);
        Ok(())
    }

    /// As [`PackedLinear::forward_into`], to the same bits, but in this thread alone: for callers that take a block of rows
    /// through several layers while it stays in a core's cache. [`BLOCK_ROWS`](super::BLOCK_ROWS) are the most that pay.
    ///
    /// # Errors
    /// As [`PackedLinear::forward_into`].
    pub fn forward_block(&self, input: &[f32], rows: usize, output: &mut [f32]) -> Result<(), LinearError> {
        self.check(input, rows, output)?;
        self.blocks(input, output, Store::Replace);
        Ok(())
    }

    /// As [`PackedLinear::accumulate_into`], in this thread alone.
    ///
    /// # Errors
    /// As [`PackedLinear::forward_into`].
    pub fn accumulate_block(
        &self,
        input: &[f32],
        rows: usize,
        output: &mut [f32],
    ) -> Result<(), LinearError> {
        self.check(input, rows, output)?;
        self.blocks(input, output, Store::Add);
        Ok(())
    }

    /// Checks the lengths, and shows the input to a layer that observes.
    fn check(&self, input: &[f32], rows: usize, output: &[f32]) -> Result<(), LinearError> {
        if rows.checked_mul(self.inputs) != Some(input.len()) {
            return Err(LinearError::Input { actual: input.len(), rows, inputs: self.inputs });
        }
        if rows.checked_mul(self.outputs) != Some(output.len()) {
            return Err(LinearError::Output { actual: output.len(), rows, outputs: self.outputs });
        }
        self.observe(input);
        Ok(())
    }
}
