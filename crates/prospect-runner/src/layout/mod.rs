//! How text stands on a terminal: lines break at words, tables have no line that is wider than the terminal.

mod fit;
mod table;

pub(crate) use fit::fitted;
pub(crate) use table::aligned;

use std::io::IsTerminal;

use terminal_size::{Width, terminal_size_of};

/// Narrower than this nothing is readable: a smaller figure is a mistake.
const LEAST_WIDTH: usize = 20;

/// Columns that standard output has: those of its terminal, or what `COLUMNS` says of a pipe. `None` for a pipe without it, whose
/// lines are as long as they are.
pub(crate) fn output_width() -> Option<usize> {
    width_of(&std::io::stdout())
}

/// Columns that standard error has.
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

/// A terminal that does not say how wide it is, and a pipe, have what `COLUMNS` says.
fn usable(width: Option<usize>) -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
    width.filter(|width| *width > 0).or_else(told).map(|width| width.max(LEAST_WIDTH))
}
