//! What SmolVLM2 needs of a GPU beside candle: whether there is a driver, products that are not rounded, and flash attention over
//! a cache where it lies.
//!
//! Empty without the feature `cuda`, which needs nvcc to build: docs/gpu.md.

#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "flash-attn")]
mod flash;
#[cfg(any(test, feature = "flash-attn"))]
mod plan;
#[cfg(feature = "cuda")]
mod product;

#[cfg(feature = "cuda")]
pub use driver::{DriverError, Memory, check, memory, open};
#[cfg(feature = "flash-attn")]
pub use flash::{attend, attend_cache, supports, supports_cache};
#[cfg(feature = "cuda")]
pub use product::wide_product;
