//! Measures the speed of each stage of a frame on this machine, and compares it with the machine's
//! rates.

mod bandwidth;
mod evictions;
mod shapes;
mod stages;
mod stream;
mod streams;

/// Is told what is measured next.
pub type Progress<'a> = dyn FnMut(&str) + 'a;

pub use bandwidth::{Rates, rates};
pub use evictions::{MeasuredEviction, measure_evictions};
pub use shapes::{Shape, shape, shape_config};
pub use stages::{Measured, Stage, measure};
pub(crate) use stages::{frame_pixels, frame_tokens, word_ids};
pub use stream::{MeasuredStream, Soak, measure_stream, soak};
pub use streams::{MeasuredStreams, measure_streams};
