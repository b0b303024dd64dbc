//! On a terminal: the lines, with a progress bar below them.

use std::io::Stdout;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Display, Lines};
use crate::run::Outcome;
use prospect_evaluation::annotations::Annotations;
use prospect_session::Reply;
use prospect_source::Frame;

/// A progress bar on standard error, lines on standard output.
pub struct Terminal {
    lines: Lines<Stdout>,
    bar: ProgressBar,
}

impl Terminal {
    /// A bar that has not begun.
    pub fn new() -> Self {
        Self { lines: Lines::new(std::io::stdout()), bar: ProgressBar::hidden() }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Display for Terminal {
    fn begin(&mut self, source: &str, length: Option<usize>, annotations: Option<&Annotations>, fps: f64) {
        self.lines.begin(source, length, annotations, fps);
        let (bar, template) = match length {
            Some(frames) => {
                (ProgressBar::new(frames as u64), "{bar:40} {pos}/{len} frames, {per_sec}, {eta} left")
            }
            None => (ProgressBar::no_length(), "{spinner} {pos} frames, {per_sec}"),
        };
        // A template that does not parse leaves the default bar.
        self.bar = match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
    }

    fn frame(&mut self, frame: &Frame, reply: Option<&Reply>) {
        let lines = &mut self.lines;
        self.bar.suspend(|| lines.frame(frame, reply));
        self.bar.inc(1);
    }

    fn earlier(&mut self, replies: Vec<Reply>) {
        self.lines.earlier(replies);
    }

    fn note(&mut self, line: &str) {
        let lines = &mut self.lines;
        self.bar.suspend(|| lines.note(line));
    }

    fn end(&mut self, outcome: Option<&Outcome>) {
        self.bar.finish_and_clear();
        self.lines.end(outcome);
    }
}
