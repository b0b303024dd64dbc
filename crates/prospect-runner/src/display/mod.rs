//! What a person sees of a run while it goes on.

mod gauges;
mod lines;
mod pictured;
mod terminal;

pub use gauges::{Gauged, Gauges};
pub use lines::Lines;
pub use pictured::Pictured;
pub use terminal::Terminal;

use prospect_session::Reply;

use crate::run::Outcome;
use prospect_evaluation::annotations::Annotations;
use prospect_source::Frame;

/// Shows a run. A display never fails a run: what cannot be shown is not shown.
pub trait Display {
    /// The source is open; `length` is its number of frames where that is known.
    fn begin(&mut self, source: &str, length: Option<usize>, annotations: Option<&Annotations>, fps: f64);
    /// The stream goes on, and this is what was said so far; comes before `begin`.
    fn earlier(&mut self, _: Vec<Reply>) {}
    /// Whether [`Self::words`] are shown: nobody makes them for a display that has no use for them.
    fn shows_words(&self) -> bool {
        false
    }
    /// Words that the assistant says to a frame, while it says them; the reply as a whole comes with [`Self::frame`].
    fn words(&mut self, _: &Frame, _: &str) {}
    /// A frame went in, and the assistant spoke or stayed silent.
    fn frame(&mut self, frame: &Frame, reply: Option<&Reply>);
    /// Something happened that a person should know of, in one line.
    fn note(&mut self, line: &str);
    /// The run is over; `None` if it failed.
    fn end(&mut self, outcome: Option<&Outcome>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Display for Silent {
    fn begin(&mut self, _: &str, _: Option<usize>, _: Option<&Annotations>, _: f64) {}
    fn frame(&mut self, _: &Frame, _: Option<&Reply>) {}
    fn note(&mut self, _: &str) {}
    fn end(&mut self, _: Option<&Outcome>) {}
}
