//! Progress bars of commands that count: on a terminal, and where no more and no less than usual is asked for.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::layout::error_width;
use crate::verbosity::Level;

/// Columns that a bar needs beside its figures.
const WIDTH_FOR_BAR: usize = 60;

/// A bar over so many `what`, with the name of the last one behind it; hidden where nobody would see it.
pub(super) fn progress_bar(length: usize, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() || !Level::shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64);
    let template = match error_width().is_none_or(|width| width >= WIDTH_FOR_BAR) {
        true => format!("{{bar:20}} {{pos}}/{{len}} {what}, {{eta}} left  {{wide_msg}}"),
        false => format!("{{pos}}/{{len}} {what}  {{wide_msg}}"),
    };
    // A template that does not parse leaves the default bar.
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The time, and what is done now, of what does not know how long it takes; hidden where nobody would see it.
pub(super) fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() || !Level::shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
