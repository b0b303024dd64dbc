//! Keys and values that are computed in f32, rounded for the kernels of bf16.

use half::bf16;
use rayon::prelude::*;

use super::{Heads, Kernel};

/// Heads rounded to bf16, in memory that calls reuse: it grows to the largest shape and stays.
///
/// Worth its time where many queries meet the same keys, as in a vision tower.
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
    /// By these instructions.
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel, data: Vec::new() }
    }

    /// `[heads, tokens, head_dim]`, row-major, each number rounded to the nearest, ties to even; what is finite stays so.
    /// Numbers below 2^-126 may become 0.
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
