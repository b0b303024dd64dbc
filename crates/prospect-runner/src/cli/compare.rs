//! `prospect-runner compare`: the same videos under several strategies.

use super::arguments::CompareArguments;
use super::suite;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::strategies::{Registry, SANITY};

/// What is compared where nothing else is asked for.
const ALL: [&str; 17] = [
    SANITY,
    "unlimited",
    "summarize_and_drop",
    "summarize_with_dst",
    "hybrid",
    "drop_middle:rerotate",
    "drop_middle:recompute",
    "drop_middle:preserve",
    "drop_middle:legacy",
    "sink_window:rerotate",
    "sink_window:recompute",
    "sink_window:preserve",
    "sink_window:legacy",
    "drop_oldest_frames",
    "keyframes",
    "drop_all",
    "none",
];

pub(super) fn compare(
    arguments: &CompareArguments,
    registry: &Registry,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let strategies = match arguments.suite.strategies.as_slice() {
        [] => ALL.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    let (common, sources) = (&arguments.common, &arguments.sources);
    suite::run(&arguments.suite, common, registry, sources, &strategies, "compare", interrupt)
}
