//! How fast each stage of a frame is on this machine, beside what the machine could do.

mod bandwidth;
mod shapes;
mod stages;

pub use bandwidth::read_bandwidth;
pub use shapes::{Shape, shape};
pub use stages::{Measured, Stage, measure};
