//! Linear layers on a CPU: `y = x W^T + b` with weights that are packed once, for products in f32 or in int8.
//!
//! Weights of f32 products that are bf16 as they come, as those of published checkpoints are, stay so in memory and are
//! widened by the kernels: the bits are those of f32 weights, and a token reads half as much.
//!
//! One layout of the weights serves one row (decoding, bound by memory) and many rows (prefill and vision, bound by
//! arithmetic); AVX-512 with VNNI, AVX2 and a portable fallback are chosen at run time.
//!
//! int8 is symmetric, with a scale for every 64 inputs or more: of each output channel for the weights, and of each row, at run
//! time, for the inputs. A few channels of a language model's activations are many times larger than the rest; this way they
//! coarsen their neighbours alone. Integer sums are exact and floats are added in one order, so that every instruction set
//! gives the same bits.
//!
//! Work is split with rayon's work stealing on the current pool: a helper without work yields a few times and then sleeps, and
//! one that wakes up late finds less left to take instead of being waited for. Callers that run many layers should do so
//! inside of the pool (`ThreadPool::install`), because a call from outside wakes two threads.

mod error;
mod kernels;
mod memory;
mod packed;
mod panels;
mod product;
mod rounding;
mod rows;
mod schedule;
mod statistics;
#[cfg(test)]
mod tests;

pub use error::LinearError;
pub(crate) use memory::{ask_for_large_pages, give_back};
pub use packed::{PackedLinear, Precision, StackedMatrix};
pub use schedule::BLOCK_ROWS;
pub(crate) use schedule::SPLIT_ROWS;
