//! The arguments that give settings, and the settings that they make. Each group holds the one before it,
//! so that a command takes no option that has no effect on it.

mod model;
mod stream;
mod video;

pub(super) use model::ModelArguments;
pub(super) use stream::{StreamArguments, with_positions};
pub(super) use video::VideoArguments;
