//! What SmolVLM2 needs on a GPU beyond candle:
//!
//! - a check for the driver and the device;
//! - matrix products with f32 results from 16-bit factors;
//! - kernels over the rows of a chunk;
//! - flash attention that reads a KV cache in place;
//! - tensors that move between CUDA streams;
//! - CUDA graphs: a decode step that is captured once and launched for every token.
//!
//! The crate is empty without the feature `cuda`, whose build needs nvcc (docs/gpu.md).

#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "flash-attn")]
mod flash;
#[cfg(feature = "flash-attn")]
mod graph;
#[cfg(feature = "cuda")]
mod handover;
#[cfg(feature = "cuda")]
mod memory;
#[cfg(any(test, feature = "flash-attn"))]
mod plan;
#[cfg(feature = "cuda")]
mod product;
#[cfg(feature = "cuda")]
mod rows;
#[cfg(feature = "cuda")]
mod step;

#[cfg(feature = "cuda")]
pub use driver::{DriverError, Memory, check, memory, open};
#[cfg(feature = "flash-attn")]
pub use flash::{attend, attend_cache, attend_step, supports, supports_cache, supports_step};
#[cfg(feature = "flash-attn")]
pub use graph::Graph;
#[cfg(feature = "cuda")]
pub use handover::Handover;
#[cfg(feature = "cuda")]
pub use product::{add_product, wide_product};
#[cfg(feature = "cuda")]
pub use rows::{add_bias, choose, embed_word, gated, has_row_kernels, layer_norm, rms_norm, turn_into_cache};
#[cfg(feature = "cuda")]
pub use step::{Place, Step};
