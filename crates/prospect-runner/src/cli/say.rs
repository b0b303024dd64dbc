//! Lines to a person.

use std::io::Write;

use prospect_foreign::harmless;

use crate::layout::{aligned, fitted, output_width};
use crate::outlet::{self, Outlet};
use crate::verbosity::Level;

/// Writes a line to standard error: an error always, a warning unless `-qq` is given, everything else unless
/// `-q` is given.
pub(super) fn complain(what: &str, line: &str) {
    let level = match what {
        "error" => Level::Error,
        "warning" => Level::Warn,
        _ => Level::Info,
    };
    outlet::tell(level, &format!("{what}: {line}"));
}

/// Writes a line to standard output. A reader that has gone away is not a failure.
pub(super) fn print(text: &str) {
    let _ = writeln!(Outlet, "{}", harmless(text));
}

/// As [`print`], with lines that break at words at the width of the terminal.
pub(super) fn print_fitted(text: &str) {
    print(&fitted(text, output_width()));
}

/// Rows under a header, at most as wide as the terminal.
pub(super) fn fit_table(rows: &[Vec<String>]) -> String {
    aligned(rows, output_width())
}
