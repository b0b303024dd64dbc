//! Draws what every strategy keeps of one stream, for docs/strategies.md:
//! `cargo run -p prospect-context --example pictures -- docs/strategies`.

use std::path::Path;

use prospect_context::catalogue::{ParameterError, ParameterRole, ParameterValues, StrategyDescription};
use prospect_context::strategies::{BUILT_IN, SummarizeAndDrop};
use prospect_context::{ContextStrategy, picture};

/// The file of a picture, and the strategy that it shows.
type Shown = (&'static str, Box<dyn ContextStrategy>);

/// Every built-in strategy, and a summary that was begun early.
fn strategies() -> Result<Vec<Shown>, ParameterError> {
    let mut strategies = Vec::new();
    for strategy in BUILT_IN {
        strategies.push((strategy.name, strategy.build(&values(strategy))?));
    }
    let early = SummarizeAndDrop::DESCRIPTION;
    strategies.push(("summarize_early", early.build(&values(&early).with("summarize_at", 0.8))?));
    Ok(strategies)
}

/// Values that fit the small budget. Frames that stay take less of it than other segments do, for what was said stays beside them.
fn values(strategy: &StrategyDescription) -> ParameterValues {
    let summarizes = strategy.parameters_as(ParameterRole::SummaryLength).next().is_some();
    let keeps_frames = strategy.parameter("keep_frame_len").is_some();
    let kept = match (summarizes, keeps_frames) {
        (true, _) => 80,
        (false, true) => 64,
        (false, false) => 100,
    };
    strategy.example(kept, 30)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder")?;
    for (name, strategy) in strategies()? {
        std::fs::write(
            Path::new(&folder).join(format!("{name}.svg")),
            picture::example(name, strategy.as_ref())?,
        )?;
    }
    Ok(())
}

#[test]
fn the_committed_pictures_are_those_of_the_strategies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/strategies");
    if !folder.exists() {
        // The crate alone, outside its repository.
        return;
    }
    for (name, strategy) in strategies().expect("valid values") {
        let drawn =
            picture::example(name, strategy.as_ref()).expect("every strategy has a plan for this stream");
        let committed = std::fs::read_to_string(folder.join(format!("{name}.svg"))).unwrap_or_default();
        assert!(drawn == committed, "docs/strategies/{name}.svg: draw it anew (see the top of this file)");
    }
}
