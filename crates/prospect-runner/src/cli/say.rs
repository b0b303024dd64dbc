//! Lines to a person.

use std::io::Write;

use prospect_foreign::harmless;

use crate::outlet::{self, Outlet};

/// Writes a line to standard error.
pub(super) fn complain(what: &str, line: &str) {
    outlet::tell(&format!("{what}: {line}"));
}

/// Writes a line to standard output; a reader that went away is no failure.
pub(super) fn print(text: &str) {
    let _ = writeln!(Outlet, "{}", harmless(text));
}
