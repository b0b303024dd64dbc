//! The workbench: a procedural assembly task whose videos train and judge the small checkpoint in `fixtures/workbench`.
//!
//! Everything follows from a seed and integer arithmetic, so every machine makes the same frames.

pub(crate) mod annotations;
pub(crate) mod parts;
pub(crate) mod prng;
pub(crate) mod render;
pub(crate) mod script;
pub(crate) mod seeds;
pub(crate) mod video;
