//! Runs one video, from its source to a closed trace.

mod drive;
mod frames;
mod inputs;
mod outcome;
mod progress;
mod served;
mod stream;

pub use drive::Drive;
pub use frames::Prepared;
#[cfg(feature = "serve")]
pub(crate) use frames::open_by;
pub(crate) use frames::{frames_in_file, input_options, source_options};
pub use inputs::{RunInputs, annotations_of};
pub(crate) use inputs::{annotations_file, settings_without_secrets};
pub use outcome::Outcome;
pub use progress::Progress;
pub use served::{ServedStream, close_failed};
pub use stream::{Keeping, OpenSource, Way, run, run_on};
