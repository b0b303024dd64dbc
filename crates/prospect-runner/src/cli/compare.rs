//! `prospect-runner compare`: the same videos under several strategies.

use super::arguments::CompareArguments;
use super::suite;
use crate::error::RunError;
use crate::suite::SANITY;

/// What is compared where nothing else is asked for.
const ALL: [&str; 14] = [
    SANITY,
    "unlimited",
    "summarize_and_drop",
    "summarize_with_dst",
    "drop_middle:rerotate",
    "drop_middle:recompute",
    "drop_middle:preserve",
    "drop_middle:legacy",
    "sink_window:rerotate",
    "sink_window:recompute",
    "sink_window:preserve",
    "sink_window:legacy",
    "drop_all",
    "none",
];

pub(super) fn compare(arguments: &CompareArguments) -> Result<(), RunError> {
    let strategies = match arguments.strategies.as_slice() {
        [] => ALL.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    suite::run(&arguments.suite, &arguments.common, &arguments.sources, &strategies, "compare")
}
