//! Which trace an argument means.

use std::path::{Path, PathBuf};

use prospect_journal::TRACE_FILE;

/// The trace itself, or that of the folder it lies in.
pub(super) fn trace_file(argument: &Path) -> PathBuf {
    if argument.is_dir() { argument.join(TRACE_FILE) } else { argument.to_owned() }
}
