//! Sources that the server reads itself: named cameras, and addresses in requests.

mod camera;
mod cameras;
mod watched;

pub use camera::{CameraError, ServedCamera};
pub(crate) use watched::Sources;
