//! A display that also collects pictures of the frames with replies, for the page of the run.

use super::Display;
use crate::report::TakenPictures;
use crate::run::Outcome;
use prospect_evaluation::annotations::Annotations;
use prospect_session::Reply;
use prospect_source::Frame;

/// Shows a run on another display, and collects pictures of it.
pub struct Pictured<'a> {
    /// The display that shows the run.
    pub display: &'a mut dyn Display,
    /// The collected pictures.
    pub pictures: &'a mut TakenPictures,
}

impl Display for Pictured<'_> {
    fn begin(&mut self, source: &str, length: Option<usize>, annotations: Option<&Annotations>, fps: f64) {
        self.display.begin(source, length, annotations, fps);
    }

    fn earlier(&mut self, replies: Vec<Reply>) {
        self.display.earlier(replies);
    }

    fn shows_words(&self) -> bool {
        self.display.shows_words()
    }

    fn words(&mut self, frame: &Frame, words: &str) {
        self.display.words(frame, words);
    }

    fn frame(&mut self, frame: &Frame, reply: Option<&Reply>) {
        if reply.is_some() {
            self.pictures.take(frame);
        }
        self.display.frame(frame, reply);
    }

    fn note(&mut self, line: &str) {
        self.display.note(line);
    }

    fn end(&mut self, outcome: Option<&Outcome>) {
        self.display.end(outcome);
    }
}
