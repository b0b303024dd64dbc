//! `prospect-runner man`: manual pages, from the arguments.

use std::path::Path;

use clap::CommandFactory;

use super::arguments::Arguments;
use super::say::print;
use crate::error::RunError;

pub(super) fn man(folder: &Path) -> Result<(), RunError> {
    let failed = |source| RunError::Write { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(failed)?;
    print(&format!("manual pages: {}", folder.display()));
    Ok(())
}
