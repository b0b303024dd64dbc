//! `prospect-runner compare`: the same videos under several strategies.

use prospect_context::PositionPolicy;
use prospect_context::catalogue::{ParameterRole, StrategyDescription};
use prospect_context::strategies::BUILT_IN;

use super::arguments::CompareArguments;
use super::suite;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::strategies::{Registry, SANITY};

/// Strategies that are compared under every position policy. Their plans are the same under all policies, so
/// that only the positions differ.
const UNDER_EVERY_POLICY: [&str; 2] = ["drop_middle", "sink_window"];

const POLICIES: [PositionPolicy; 4] =
    [PositionPolicy::Rerotate, PositionPolicy::Recompute, PositionPolicy::Preserve, PositionPolicy::Legacy];

/// The strategies of a comparison without `--strategies`: the references, the unlimited cache, every strategy
/// of the catalogue, and `none`. Strategies with a summary come first, those that keep nothing last.
fn all() -> Vec<String> {
    let rank = |strategy: &&StrategyDescription| {
        let has = |role| strategy.parameters_as(role).next().is_some();
        let keeps = has(ParameterRole::Kept) || has(ParameterRole::KeptFrames);
        match (has(ParameterRole::SummaryLength), keeps) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        }
    };
    let mut strategies: Vec<&StrategyDescription> = BUILT_IN.iter().collect();
    strategies.sort_by_key(rank);
    let mut all = vec![SANITY.to_owned(), "unlimited".to_owned()];
    for StrategyDescription { name, .. } in strategies {
        match UNDER_EVERY_POLICY.contains(name) {
            true => all.extend(POLICIES.map(|policy| format!("{name}:{}", policy.as_str()))),
            false => all.push((*name).to_owned()),
        }
    }
    all.push("none".to_owned());
    all
}

pub(super) fn compare(
    arguments: &CompareArguments,
    registry: &Registry,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let strategies = match arguments.suite.strategies.as_slice() {
        [] => all(),
        some => some.to_vec(),
    };
    let (common, sources) = (&arguments.common, &arguments.sources);
    suite::run(&arguments.suite, common, registry, sources, &strategies, "compare", interrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_has_an_order() {
        assert_eq!(
            all(),
            [
                "sanity",
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
                "recent_frames",
                "anchor_fifo",
                "drop_oldest_frames",
                "keyframes",
                "events",
                "drop_all",
                "none",
            ]
        );
    }
}
