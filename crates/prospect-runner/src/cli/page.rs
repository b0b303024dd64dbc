//! The page of a run, written beside its trace.

use std::path::PathBuf;

use prospect_journal::write_whole;

use crate::error::RunError;
use crate::report::{self, RunToShow};

/// Writes the page of a run beside its trace.
///
/// # Errors
/// As [`report::trace_page`], or a page that cannot be written.
pub(super) fn write_page(run: RunToShow<'_>) -> Result<PathBuf, RunError> {
    let page = report::trace_page(run)?;
    let path = run.trace.with_file_name(report::FILE_NAME);
    write_whole(&path, |to| to.write_all(page.as_bytes()))?;
    Ok(path)
}
