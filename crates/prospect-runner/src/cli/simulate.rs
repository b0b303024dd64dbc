//! `prospect-runner simulate`: a run's stream under other strategies, without a model.

use prospect_context::simulator::{Simulation, Simulator, SimulatorOptions, table_rows};
use prospect_context::{ContextStrategy, DialogueState, SegmentKind};

use super::arguments::SimulateArguments;
use super::common::with_positions;
use super::say::{fit_table, print, print_fitted};
use super::trace_file::trace_file;
use crate::error::RunError;
use crate::recording::{RecordedRun, read_recording};
use crate::strategies::Registry;
use prospect_session::OverflowRule;

pub(super) fn simulate(arguments: &SimulateArguments, registry: &Registry) -> Result<(), RunError> {
    let path = trace_file(&arguments.trace);
    let run = read_recording(&path, arguments.config.as_deref())?;
    let mut simulations = Vec::new();
    let mut difference = None;
    if let Some(own) = run.strategy(registry)? {
        let replay = run.recording.replay(own.as_ref())?;
        if replay.difference.is_none() {
            let evictions = replay.simulation.evictions.len();
            print_fitted(&format!("{}, replayed: the {evictions} evictions of the run", own.name()));
        }
        difference = replay.difference;
        let strategy = format!("{} (the run)", own.name());
        simulations.push(Simulation { strategy, ..replay.simulation });
    }
    for name in &arguments.strategies {
        simulations.push(other(arguments, registry, &run, name)?);
    }
    print(&fit_table(&table_rows(&simulations)));
    match difference {
        None => Ok(()),
        Some(difference) => Err(RunError::Replay { path, difference: Box::new(difference) }),
    }
}

/// The run's stream under another strategy, or under other parameters.
fn other(
    arguments: &SimulateArguments,
    registry: &Registry,
    run: &RecordedRun,
    name: &str,
) -> Result<Simulation, RunError> {
    let mut layers = run.layers.clone();
    for set in &arguments.settings {
        layers = layers.set(set)?;
    }
    let settings = with_positions(layers, registry, name)?.resolve()?;
    let OverflowRule::Strategy(strategy) = registry.overflow_rule(&settings.context)? else {
        return Err(RunError::Argument {
            argument: format!("--strategies {name}"),
            problem: "evicts nothing".to_owned(),
            expected: "strategies that do".to_owned(),
        });
    };
    let simulation = simulated(run, strategy.as_ref())?;
    Ok(Simulation { strategy: name.to_owned(), ..simulation })
}

/// Summaries turn out as long as those of the run did, if it had some.
fn simulated(run: &RecordedRun, strategy: &dyn ContextStrategy) -> Result<Simulation, RunError> {
    let state = DialogueState::default();
    let put_back = run.recording.overflows().iter().flat_map(|(_, overflow)| &overflow.put_back);
    let summaries: Vec<usize> = put_back
        .filter(|put_back| put_back.kind == SegmentKind::Summary)
        .map(|put_back| put_back.tokens)
        .collect();
    let options = run.recording.options();
    let summary_tokens = match summaries.len() {
        0 => options.summary_tokens,
        count => summaries.iter().sum::<usize>() / count,
    };
    let options = SimulatorOptions { dialogue_state: Some(&state), summary_tokens, ..options };
    Ok(Simulator::new(strategy, options).run(run.recording.steps())?)
}
