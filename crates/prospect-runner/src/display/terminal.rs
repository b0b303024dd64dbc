//! On a terminal: the lines, with a progress bar below them.

use std::cell::Cell;
use std::fmt::Write;
use std::io::IsTerminal;
use std::rc::Rc;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::lines::{clock, on_one_line};
use super::{Display, Gauges, Lines};
use crate::layout::{error_width, output_width};
use crate::outlet::Outlet;
use crate::run::Outcome;
use crate::verbosity::Level;
use prospect_evaluation::annotations::Annotations;
use prospect_session::Reply;
use prospect_source::Frame;

/// Columns that a bar needs beside its figures.
const WIDTH_FOR_BAR: usize = 76;

/// Lines on standard output, and below them a progress bar where there is a terminal: on standard error, or else on standard
/// output. Where standard output is a terminal, a reply's words stand above the bar as they come, until its line has them all.
pub struct Terminal {
    lines: Lines<Outlet>,
    bar: ProgressBar,
    /// What stands behind the frames on the bar's line.
    gauges: Rc<Cell<Gauges>>,
    /// What the bar looks like while nobody speaks.
    template: &'static str,
    /// Whether a person sees where the lines go.
    shows_words: bool,
    /// What was said so far of the reply that is under way.
    said: String,
}

impl Terminal {
    /// A bar that has not begun; `gauges` are shown on it.
    pub fn new(gauges: Rc<Cell<Gauges>>) -> Self {
        Self {
            lines: Lines::new(Outlet).within(output_width()),
            bar: ProgressBar::hidden(),
            gauges,
            template: "",
            shows_words: std::io::stdout().is_terminal(),
            said: String::new(),
        }
    }

    /// A template that does not parse leaves the bar as it was.
    fn draw_as(&self, template: &str) {
        let rate = |state: &ProgressState, text: &mut dyn Write| {
            let _ = write!(text, "{:.1}/s", state.per_sec());
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("rate", rate));
        }
    }
}

impl Display for Terminal {
    fn begin(&mut self, source: &str, length: Option<usize>, annotations: Option<&Annotations>, fps: f64) {
        self.lines.begin(source, length, annotations, fps);
        if !Level::shows_progress() {
            return;
        }
        let (target, width) = match std::io::stderr().is_terminal() {
            true => (ProgressDrawTarget::stderr(), error_width()),
            false => (ProgressDrawTarget::stdout(), output_width()),
        };
        // Longer lines than the terminal's are cut at its end: the figures come before what can be done without.
        self.template = match (length, width.is_none_or(|width| width >= WIDTH_FOR_BAR)) {
            (Some(_), true) => "{wide_bar} {pos}/{len} frames, {rate}{prefix}, {eta} left",
            (Some(_), false) => "{pos}/{len}{prefix}, {eta} left",
            (None, true) => "{spinner} {pos} frames, {rate}{prefix}",
            (None, false) => "{pos} frames{prefix}",
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
        self.bar.set_prefix(self.gauges.get().to_string());
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
