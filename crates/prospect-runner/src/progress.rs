//! Progress bars and spinners on standard error. They are shown on a terminal, at the default level of
//! messages.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::layout::error_width;
use crate::verbosity::Level;

/// The interval at which a spinner is redrawn during work that reports no progress.
const TICK: Duration = Duration::from_millis(200);
/// The least width of a terminal on which a bar is drawn beside its figures.
const WIDTH_FOR_BAR: usize = 60;

/// A bar of `length` steps called `what`, with a message behind it. It is hidden if nobody would see it.
pub(crate) fn progress_bar(length: usize, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() || !Level::shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64);
    let template = match error_width().is_none_or(|width| width >= WIDTH_FOR_BAR) {
        true => format!("{{bar:20}} {{pos}}/{{len}} {what}, {{eta}} left  {{wide_msg}}"),
        false => format!("{{pos}}/{{len}} {what}  {{wide_msg}}"),
    };
    // An invalid template leaves the default bar.
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Shows a message and the elapsed time while `work` is done, if a person would see them.
pub(crate) fn shown_at_work<T>(message: &str, work: impl FnOnce() -> T) -> T {
    let spinner = spinner();
    spinner.set_message(message.to_owned());
    spinner.enable_steady_tick(TICK);
    let done = work();
    spinner.finish_and_clear();
    done
}

/// A spinner with the elapsed time and a message. It is hidden if nobody would see it.
pub(crate) fn spinner() -> ProgressBar {
    if !std::io::stderr().is_terminal() || !Level::shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
