//! The forward passes as operations on tensors, in any type, on any device: what a GPU computes. A CPU computes by
//! [`crate::cpu`], which these are held against.
//!
//! Nothing waits for the device but the reading of results; weights, rotary tables and cache stay on it.

mod attention;
mod decoder;
mod layers;
mod vision;
mod weights;

pub(crate) use decoder::Decoder;
pub(crate) use vision::VisionEncoder;
pub(crate) use weights::OnDevice;
