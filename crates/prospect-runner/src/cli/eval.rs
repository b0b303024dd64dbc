//! `prospect-runner eval`: a dataset under the strategy of the settings, resumable.

use super::arguments::EvalArguments;
use super::suite;
use crate::error::RunError;

pub(super) fn eval(arguments: &EvalArguments) -> Result<(), RunError> {
    let strategies = match arguments.strategies.as_slice() {
        [] => vec![arguments.common.resolve()?.context.strategy.name().to_owned()],
        some => some.to_vec(),
    };
    let stem = arguments.dataset.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = format!("eval_{}", stem.unwrap_or_else(|| "dataset".to_owned()));
    let sources = std::slice::from_ref(&arguments.dataset);
    suite::run(&arguments.suite, &arguments.common, sources, &strategies, &name)
}
