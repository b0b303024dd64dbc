//! Builds for NVIDIA GPUs (docs/gpu.md): the real build, and the one that is checked and tested without
//! a GPU.

mod build;
mod check;
mod compiler;
mod needed;
mod stand_in;

pub(crate) use build::{Arguments, run};
pub(crate) use check::{CheckArguments, TestArguments, check, test};
