//! Our own CUDA kernels for the work between two products of a layer, in 16 bits. Each is one launch,
//! where the tensor library needs several. Builds without them never make a [`Fused`], and operations
//! of the tensor library compute instead.

#[cfg(not(feature = "cuda"))]
mod absent;
#[cfg(feature = "cuda")]
mod built_in;

#[cfg(not(feature = "cuda"))]
pub(crate) use absent::{Decoding, Fused, Step};
#[cfg(feature = "cuda")]
pub(crate) use built_in::{Decoding, Fused, Step};
