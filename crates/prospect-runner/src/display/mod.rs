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

/// Shows a run. A display never fails a run: errors of the output are ignored here.
pub trait Display {
    /// The source is open; `length` is its number of frames, if known.
    fn begin(&mut self, source: &str, length: Option<usize>, annotations: Option<&Annotations>, fps: f64);
    /// The stream resumes, with these replies so far. Called before `begin`.
    fn earlier(&mut self, _: Vec<Reply>) {}
    /// Whether [`Self::words`] are shown. If not, they are not produced.
    fn shows_words(&self) -> bool {
        false
    }
    /// Words of the reply to a frame, as they are generated. The whole reply comes with
    /// [`Self::frame`].
    fn words(&mut self, _: &Frame, _: &str) {}
    /// A frame was processed, and the assistant spoke or stayed silent.
    fn frame(&mut self, frame: &Frame, reply: Option<&Reply>);
    /// Something that a person should know, in one line.
    fn note(&mut self, line: &str);
    /// The run has ended; `None` if it failed.
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
