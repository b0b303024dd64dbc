//! Shows a run on a terminal: lines, with a progress bar below them.

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

/// Writes lines to standard output. If there is a terminal, a progress bar is drawn below them, on
/// standard error or else on standard output. If standard output is a terminal, the words of a reply
/// appear above the bar as they are generated, until the reply's line replaces them.
pub struct Terminal {
    lines: Lines<Outlet>,
    bar: ProgressBar,
    /// The figures behind the number of frames on the bar's line.
    gauges: Rc<Cell<Gauges>>,
    /// The bar's template while nobody speaks.
    template: &'static str,
    /// Whether standard output is a terminal.
    shows_words: bool,
    /// The words of the reply in progress.
    said: String,
}

impl Terminal {
    /// A display whose bar is not visible yet. The bar shows `gauges`.
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

    /// Sets the bar's template. An invalid template is ignored.
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
        // Lines are cut at the end of the terminal, so the most important figures come first.
        self.template = match (length, width.is_none_or(|width| width >= WIDTH_FOR_BAR)) {
            (Some(_), true) => "{wide_bar} {pos}/{len} frames, {rate}{prefix}, {eta} left",
            (Some(_), false) => "{pos}/{len}{prefix}, {eta} left",
            (None, true) => "{spinner} {pos} frames, {rate}{prefix}",
            (None, false) => "{pos} frames{prefix}",
        };
        self.bar = ProgressBar::with_draw_target(length.map(|frames| frames as u64), target);
        self.draw_as(self.template);
        // The first frame may take long.
        self.bar.tick();
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
