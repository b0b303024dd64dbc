//! Builds for NVIDIA GPUs (docs/gpu.md): the real one, and the one that only checks types.

mod build;
mod check;
mod compiler;
mod needed;

pub(crate) use build::{Arguments, run};
pub(crate) use check::check;
