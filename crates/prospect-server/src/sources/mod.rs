//! Sources that the server reaches itself: cameras by their names, and addresses of requests.

mod camera;
mod cameras;
mod watched;

pub use camera::{CameraError, ServedCamera};
pub(crate) use watched::Sources;
