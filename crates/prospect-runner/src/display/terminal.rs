//! Shows a run on a terminal: lines, with a progress bar below them.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::lines::{clock, on_one_line};
use super::{Display, Lines};
use crate::outlet::Outlet;
use crate::run::Outcome;
use prospect_evaluation::annotations::Annotations;
use prospect_session::Reply;
use prospect_source::Frame;

/// Writes lines to standard output. If there is a terminal, a progress bar is drawn below them, on
/// standard error or else on standard output. If standard output is a terminal, the words of a reply
/// appear above the bar as they are generated, until the reply's line replaces them.
pub struct Terminal {
    lines: Lines<Outlet>,
    bar: ProgressBar,
    /// The bar's template while nobody speaks.
    template: &'static str,
    /// Whether standard output is a terminal.
    shows_words: bool,
    /// The words of the reply in progress.
    said: String,
}

impl Terminal {
    /// A display whose bar is not visible yet.
    pub fn new() -> Self {
        Self {
            lines: Lines::new(Outlet),
            bar: ProgressBar::hidden(),
            template: "",
            shows_words: std::io::stdout().is_terminal(),
            said: String::new(),
        }
    }

    /// Sets the bar's template. An invalid template is ignored.
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
