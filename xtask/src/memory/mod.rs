//! The memory task: the world of the workbench, and a person who asks about what was seen long ago and was
//! never spoken of. Its videos train and evaluate the small checkpoint in `fixtures/memory`.
//!
//! Trays come in rounds. At a work tray (dark) the assistant guides the hand through the recipe. At a free
//! tray (brown) the hand does what it likes, and the assistant is silent, so that what happens is seen and
//! not said.

pub(crate) mod annotations;
pub(crate) mod director;
pub(crate) mod facts;
pub(crate) mod questions;
pub(crate) mod render;
pub(crate) mod script;
#[cfg(test)]
mod tests;
pub(crate) mod training;
