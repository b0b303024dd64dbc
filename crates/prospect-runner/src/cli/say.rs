//! Lines to a person.

use std::io::Write;

use prospect_foreign::harmless;

use crate::layout::{aligned, fitted, output_width};
use crate::outlet::{self, Outlet};
use crate::verbosity::Level;

/// Writes a line to standard error, if as much as that is asked for: an error always, a warning unless the program is to be very quiet,
/// everything else unless it is to be quiet.
pub(super) fn complain(what: &str, line: &str) {
    let level = match what {
        "error" => Level::Error,
        "warning" => Level::Warn,
        _ => Level::Info,
    };
    outlet::tell(level, &format!("{what}: {line}"));
}

/// Writes a line to standard output; a reader that went away is no failure.
pub(super) fn print(text: &str) {
    let _ = writeln!(Outlet, "{}", harmless(text));
}

/// As [`print`], with lines that break at words where the terminal ends.
pub(super) fn print_fitted(text: &str) {
    print(&fitted(text, output_width()));
}

/// Rows under a header, as wide as the terminal at most.
pub(super) fn fit_table(rows: &[Vec<String>]) -> String {
    aligned(rows, output_width())
}
