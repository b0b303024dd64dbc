//! Our own kernels for what lies between two products of a layer, in 16 bits: one launch each, where the tensor library takes several.
//! Where a build has none, there is no [`Fused`], and operations of the tensor library compute.

#[cfg(not(feature = "cuda"))]
mod absent;
#[cfg(feature = "cuda")]
mod built_in;

#[cfg(not(feature = "cuda"))]
pub(crate) use absent::{Decoding, Fused, Step};
#[cfg(feature = "cuda")]
pub(crate) use built_in::{Decoding, Fused, Step};
