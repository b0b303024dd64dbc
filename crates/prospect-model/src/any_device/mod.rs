//! The forward passes as operations on tensors, in any type, on any device: what a GPU computes. A CPU computes by
//! [`crate::cpu`], which these are held against.
//!
//! In 16 bits: weights, cache, and what is multiplied. The residual streams, norms, softmax and logits are f32 in any type, so that
//! roundings do not add up from layer to layer.
//!
//! Nothing waits for the device but the reading of results; weights, rotary tables and cache stay on it.

mod attention;
mod decoder;
mod fused;
mod layers;
mod vision;
mod weights;

pub(crate) use decoder::Decoder;
pub(crate) use fused::{Decoding, Fused};
pub(crate) use vision::VisionEncoder;
pub(crate) use weights::OnDevice;
