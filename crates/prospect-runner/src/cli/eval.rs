//! `prospect-runner eval`: a dataset under the strategy of the settings, resumable.

use prospect_config::ExceedContextHandling;

use super::arguments::EvalArguments;
use super::suite;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::strategies::Registry;

pub(super) fn eval(
    arguments: &EvalArguments,
    registry: &Registry,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let strategies = match arguments.suite.strategies.as_slice() {
        [] => vec![strategy_name(&arguments.common.resolve(registry)?.context.strategy)],
        some => some.to_vec(),
    };
    let stem = arguments.dataset.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = format!("eval_{}", stem.unwrap_or_else(|| "dataset".to_owned()));
    let sources = std::slice::from_ref(&arguments.dataset);
    suite::run(&arguments.suite, &arguments.common, registry, sources, &strategies, &name, interrupt)
}

/// As `--strategies` would name it.
fn strategy_name(strategy: &ExceedContextHandling) -> String {
    match strategy {
        ExceedContextHandling::Custom { name, .. } => name.clone(),
        other => other.name().to_owned(),
    }
}
