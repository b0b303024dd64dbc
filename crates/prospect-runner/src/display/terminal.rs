//! On a terminal: the lines, with a progress bar below them.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{clock, on_one_line};
use super::{Display, Lines};
use crate::outlet::Outlet;
use crate::run::Outcome;
use prospect_evaluation::annotations::Annotations;
use prospect_session::Reply;
use prospect_source::Frame;

/// Lines on standard output, and below them a progress bar where there is a terminal: on standard error, or else on standard
/// output. Where standard output is a terminal, a reply's words stand above the bar as they come, until its line has them all.
pub struct Terminal {
    lines: Lines<Outlet>,
    bar: ProgressBar,
    /// What the bar looks like while nobody speaks.
    template: &'static str,
    /// Whether a person sees where the lines go.
    shows_words: bool,
    /// What was said so far of the reply that is under way.
    said: String,
}

impl Terminal {
    /// A bar that has not begun.
    pub fn new() -> Self {
        Self {
            lines: Lines::new(Outlet),
            bar: ProgressBar::hidden(),
            template: "",
            shows_words: std::io::stdout().is_terminal(),
            said: String::new(),
        }
    }

    /// A template that does not parse leaves the bar as it was.
    fn draw_as(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
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
        self.template = match length {
            Some(_) => "{bar:40} {pos}/{len} frames, {per_sec}, {eta} left",
            None => "{spinner} {pos} frames, {per_sec}",
        };
        let target = match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::stdout(),
        };
        self.bar = ProgressBar::with_draw_target(length.map(|frames| frames as u64), target);
        self.draw_as(self.template);
    }

    fn shows_words(&self) -> bool {
        self.shows_words
    }

    fn words(&mut self, frame: &Frame, words: &str) {
        if self.said.is_empty() {
            self.draw_as(&format!("{{msg}}\n{}", self.template));
        }
        self.said.push_str(words);
        self.bar.set_message(format!("{}  {}", clock(frame.time), on_one_line(&self.said)));
    }

    fn frame(&mut self, frame: &Frame, reply: Option<&Reply>) {
        if !self.said.is_empty() {
            self.said.clear();
            self.draw_as(self.template);
        }
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
