//! Type checks, lints and tests of the GPU code, without CUDA and without a GPU.

use super::stand_in::StandIn;
use crate::command::step;

/// The crates that have code for GPUs.
const CRATES: [&str; 3] = ["prospect-cuda", "prospect-model", "prospect-runner"];

/// Runs clippy over every build for GPUs.
pub(crate) fn check() -> Result<(), String> {
    let stand_in = StandIn::prepare()?;
    for features in ["cuda", "cuda,flash-attn", "cuda,flash-attn-stock,sentence-encoder"] {
        let features = features.split(',').map(|feature| format!("prospect-runner/{feature}"));
        let features = features.collect::<Vec<_>>().join(",");
        let mut arguments = vec!["clippy"];
        arguments.extend(CRATES.iter().flat_map(|name| ["-p", name]));
        arguments.extend(["--features", &features, "--", "-D", "warnings"]);
        run(&stand_in, &format!("clippy {features}"), "cargo", &arguments, &[])?;
    }
    Ok(())
}

/// What runs in the place of a GPU.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TestArguments {
    /// A command that builds or runs something for GPUs, instead of the tests.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Tests the GPU code on the CPU stand-in, with the work of CUDA streams in several allowed orders: as
/// late as possible, as early as possible, and random.
pub(crate) fn test(arguments: &TestArguments) -> Result<(), String> {
    let stand_in = StandIn::prepare()?;
    stand_in.libraries()?;
    if let Some((program, arguments)) = arguments.command.split_first() {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        return run(&stand_in, program, program, &arguments, &[]);
    }
    let crates = ["-p", "prospect-cuda", "-p", "prospect-model", "--features", "prospect-model/flash-attn"];
    let files = ["rows", "graph", "any_device", "gpu"].iter().flat_map(|file| ["--test", file]);
    let tests: Vec<&str> = crates.into_iter().chain(files).collect();
    let clippy = [&["clippy"], &tests[..], &["--", "-D", "warnings"]].concat();
    run(&stand_in, "clippy tests of a GPU", "cargo", &clippy, &[])?;
    let test = [&["test"], &tests[..]].concat();
    for order in ["late", "soon", "1"] {
        let order_of_tasks = [("PROSPECT_STAND_IN_ORDER", order)];
        run(&stand_in, &format!("tests of a GPU, {order}"), "cargo", &test, &order_of_tasks)?;
    }
    Ok(())
}

fn run(
    stand_in: &StandIn,
    name: &str,
    program: &str,
    arguments: &[&str],
    more: &[(&'static str, &str)],
) -> Result<(), String> {
    let environment = stand_in.environment();
    let mut environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.extend(more);
    step(name, program, arguments, &environment)
}
