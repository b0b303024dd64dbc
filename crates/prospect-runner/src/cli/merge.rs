//! `prospect-runner merge`: the results of several shards as one.

use super::arguments::MergeArguments;
use super::suite;
use crate::error::RunError;
use crate::suite::merge as merge_folders;

pub(super) fn merge(arguments: &MergeArguments) -> Result<(), RunError> {
    let merged = merge_folders(&arguments.folders)?;
    // Clap asks for at least one folder.
    let first = arguments.folders.first().cloned().unwrap_or_default();
    let folder = arguments.out.clone().unwrap_or(first);
    suite::show(&merged, &folder, arguments.json)
}
