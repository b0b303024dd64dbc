//! The minimum results of every strategy, absolute and relative to the baseline on the same videos.

use std::collections::BTreeMap;

use crate::workspace::workspace_root;

/// The file with the floors.
const FILE: &str = "fixtures/workbench/floors.toml";

/// The strategy that the others are compared with.
pub(super) const BASELINE: &str = "unlimited";
/// Suffix of the metrics that are paired differences.
pub(super) const DIFFERENCE: &str = "_difference";
/// The position policy of strategies whose names do not contain one.
const DEFAULT_POSITIONS: &str = "rerotate";

/// Minimum values by metric and strategy. A metric that ends in `_difference` is the paired difference
/// to the baseline.
pub(super) struct Floors(BTreeMap<String, BTreeMap<String, f64>>);

impl Floors {
    /// The floors of the small model.
    pub(super) fn committed() -> Result<Self, String> {
        let text = std::fs::read_to_string(workspace_root().join(FILE));
        Self::parse(&text.map_err(|error| format!("{FILE}: {error}"))?)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map(Self).map_err(|error| format!("{FILE}: {error}"))
    }

    /// One line for every floor that `strategy` misses. A missing floor is reported too, so that a new
    /// strategy gets its own.
    pub(super) fn complaints(&self, strategy: &str, figure: impl Fn(&str) -> f64) -> Vec<String> {
        let mut complaints = Vec::new();
        for (metric, floors) in &self.0 {
            // The difference of the baseline to itself is 0.
            if strategy == BASELINE && metric.ends_with(DIFFERENCE) {
                continue;
            }
            let floor =
                floors.get(strategy).or_else(|| floors.get(&format!("{strategy}:{DEFAULT_POSITIONS}")));
            match floor {
                None => complaints.push(format!("{strategy} has no floor in [{metric}] of {FILE}")),
                // NaN does not pass.
                Some(floor) if figure(metric) >= *floor => {}
                Some(floor) => {
                    let value = figure(metric);
                    complaints.push(format!("{strategy} has {metric} {value:.3}: expected at least {floor}"));
                }
            }
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_floors_can_be_missed() {
        let floors = Floors::committed().unwrap();
        assert!(floors.0.values().flat_map(BTreeMap::values).any(|floor| *floor > 0.9));
        assert!(!floors.complaints("summarize_and_drop", |_| 0.0).is_empty());
        assert_eq!(floors.complaints("summarize_and_drop", |_| 1.0), Vec::<String>::new());
        // A strategy that fell behind the baseline, though its own figures are high enough.
        let behind = |metric: &str| if metric.ends_with(DIFFERENCE) { -0.5 } else { 1.0 };
        assert!(floors.complaints("summarize_and_drop", behind)[0].contains("f1_difference -0.5"));
        assert_eq!(floors.complaints(BASELINE, behind), Vec::<String>::new());
        // A name without positions is one with the default's.
        assert_eq!(floors.complaints("drop_middle", |_| 1.0), Vec::<String>::new());
        assert!(!floors.complaints("drop_middle", |_| -1.0).is_empty());
        assert!(!floors.complaints("drop_nothing", |_| 1.0).is_empty());
        assert!(Floors::parse("f1 = 3").is_err_and(|error| error.contains("floors.toml")));
    }
}
