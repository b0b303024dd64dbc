//! `prospect-runner simulate`: a run's stream under other strategies, without a model.

use prospect_context::ContextStrategy;
use prospect_context::simulator::{Simulation, Simulator, SimulatorOptions, table};
use prospect_context::{DialogueState, Opening};

use super::arguments::SimulateArguments;
use super::print;
use crate::error::RunError;
use crate::recording::{RecordedRun, read_recording};
use crate::session::ContextRule;
use crate::strategies::Registry;

pub(super) fn simulate(arguments: &SimulateArguments, registry: &Registry) -> Result<(), RunError> {
    let path = match arguments.trace.is_dir() {
        true => arguments.trace.join("trace.jsonl"),
        false => arguments.trace.clone(),
    };
    let run = read_recording(&path)?;
    let mut simulations = Vec::new();
    let mut difference = None;
    if let Some(own) = run.strategy(registry)? {
        let replay = run.recording.replay(own.as_ref())?;
        if replay.difference.is_none() {
            print(&format!("{}, replayed: the {} evictions of the run", own.name(), replay.evictions.len()));
        }
        difference = replay.difference;
        simulations.push(simulation(&run, own.as_ref())?);
    }
    for name in &arguments.strategies {
        let settings = arguments.common.with_strategy(registry, name, usize::MAX)?;
        match registry.context_rule(&settings.context)? {
            ContextRule::Strategy(strategy) => simulations.push(simulation(&run, strategy.as_ref())?),
            ContextRule::Stateless | ContextRule::Unlimited => {
                return Err(RunError::Argument {
                    argument: format!("--strategies {name}"),
                    problem: "evicts nothing".to_owned(),
                    expected: "strategies that do".to_owned(),
                });
            }
        }
    }
    print(table(&simulations).trim_end());
    match difference {
        None => Ok(()),
        Some(difference) => Err(RunError::Replay { path, difference: Box::new(difference) }),
    }
}

fn simulation(run: &RecordedRun, strategy: &dyn ContextStrategy) -> Result<Simulation, RunError> {
    let (state, stream) = (DialogueState::default(), &run.settings.stream);
    let system_prompt = stream.system_prompt.as_deref().unwrap_or(&stream.default_system_prompt);
    let opening = Opening { system_prompt, task_knowledge: None };
    let options = SimulatorOptions {
        dialogue_state: Some(&state),
        opening: stream.system_prompt.is_some().then_some(opening),
        ..run.recording.options()
    };
    Ok(Simulator::new(strategy, options).run(run.recording.steps())?)
}
