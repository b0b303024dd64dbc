//! Text that fits a terminal: lines break at words, and tables are not wider than the terminal.

mod fit;
mod table;

pub(crate) use fit::fitted;
pub(crate) use table::aligned;

use std::io::IsTerminal;

use terminal_size::{Width, terminal_size_of};

/// A number with its noun: `1 reply`, `2 replies`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The least width that is used. A smaller figure is a mistake.
const LEAST_WIDTH: usize = 20;

/// The columns of standard output: those of its terminal, or `COLUMNS` for a pipe. `None` for a pipe without
/// `COLUMNS`, whose lines are not broken.
pub(crate) fn output_width() -> Option<usize> {
    width_of(&std::io::stdout())
}

/// The columns of standard error.
pub(crate) fn error_width() -> Option<usize> {
    width_of(&std::io::stderr())
}

#[cfg(unix)]
fn size(stream: &impl std::os::fd::AsFd) -> Option<Width> {
    terminal_size_of(stream).map(|(width, _)| width)
}

#[cfg(windows)]
fn size(stream: &impl std::os::windows::io::AsHandle) -> Option<Width> {
    terminal_size_of(stream).map(|(width, _)| width)
}

#[cfg(unix)]
fn width_of(stream: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    usable(if stream.is_terminal() { size(stream).map(|Width(width)| usize::from(width)) } else { None })
}

#[cfg(windows)]
fn width_of(stream: &(impl IsTerminal + std::os::windows::io::AsHandle)) -> Option<usize> {
    usable(if stream.is_terminal() { size(stream).map(|Width(width)| usize::from(width)) } else { None })
}

/// The width, or `COLUMNS` for a pipe and for a terminal that does not report its width.
fn usable(width: Option<usize>) -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
    width.filter(|width| *width > 0).or_else(told).map(|width| width.max(LEAST_WIDTH))
}
