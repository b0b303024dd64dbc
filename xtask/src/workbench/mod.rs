//! The workbench: a procedurally generated assembly task. Its videos train and evaluate the small
//! checkpoint in `fixtures/workbench`.
//!
//! Everything is computed from a seed with integer arithmetic, so every machine makes the same frames.

pub(crate) mod annotations;
pub(crate) mod parts;
pub(crate) mod prng;
pub(crate) mod render;
pub(crate) mod script;
pub(crate) mod seeds;
pub(crate) mod video;
