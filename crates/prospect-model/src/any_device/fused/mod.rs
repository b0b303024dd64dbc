//! Our own kernels for what lies between two products of a layer, in 16 bits: one launch each, where the tensor library takes several.
//! Where a build has none, there is no [`Fused`], and operations of the tensor library compute.

#[cfg(not(any(feature = "cuda", feature = "emulated")))]
mod absent;
#[cfg(any(feature = "cuda", feature = "emulated"))]
mod built_in;

#[cfg(not(any(feature = "cuda", feature = "emulated")))]
pub(crate) use absent::{Decoding, Fused, Step};
#[cfg(any(feature = "cuda", feature = "emulated"))]
pub(crate) use built_in::{Decoding, Fused, Step};
