//! Rounds keys and values that were computed in f32, for the bf16 kernels.

use half::bf16;
use rayon::prelude::*;

use super::{Heads, Kernel};

/// Keys or values rounded to bf16, in memory that is reused from call to call and grows to the largest
/// shape.
///
/// Rounding pays off if many queries use the same keys, as in a vision tower.
#[derive(Debug)]
pub struct Rounded {
    kernel: Kernel,
    data: Vec<bf16>,
}

impl Default for Rounded {
    fn default() -> Self {
        Self::new(Kernel::detect())
    }
}

impl Rounded {
    /// Memory for these instructions.
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel, data: Vec::new() }
    }

    /// Rounds `[heads, tokens, head_dim]`, row-major, to nearest, ties to even. Finite values stay
    /// finite. Values below 2^-126 may become 0.
    pub fn take(&mut self, from: &Heads) -> Heads<'_, bf16> {
        let Heads { heads, tokens, head_dim, .. } = *from;
        let (kernel, head_stride) = (self.kernel, tokens * head_dim);
        let length = heads * head_stride;
        if self.data.len() < length {
            self.data.resize(length, bf16::ZERO);
        }
        let data = &mut self.data[..length];
        if length > 0 {
            data.par_chunks_exact_mut(head_stride).enumerate().for_each(|(head, to)| {
                kernel.round(from.from(head, 0), from.token_stride, to, head_dim);
            });
        }
        Heads { data, heads, tokens, head_dim, head_stride, token_stride: head_dim }
    }
}
