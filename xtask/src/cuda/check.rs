//! Type checks, lints and tests of the GPU code, without CUDA and without a GPU.

use super::stand_in::{StandIn, marked};
use crate::command::step;
use crate::selection::{CHECK_OPTIONS, FEATURES, test_options};

/// The crates that have code for GPUs.
const CRATES: [&str; 3] = ["prospect-cuda", "prospect-model", "prospect-runner"];

/// The GPU build that people get, and all others.
const BUILDS: [&str; 3] = ["cuda,flash-attn", "cuda", "cuda,flash-attn-stock,sentence-encoder"];

/// Which builds for GPUs are checked.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct CheckArguments {
    /// Check only the build that people get. The others differ from it by few lines.
    #[arg(long)]
    main: bool,
}

impl CheckArguments {
    /// What CI has time for.
    pub(crate) fn for_ci() -> Self {
        Self { main: true }
    }
}

/// Runs clippy over the builds for GPUs.
pub(crate) fn check(CheckArguments { main }: &CheckArguments) -> Result<(), String> {
    let stand_in = StandIn::prepare()?;
    let marks = marked("dev");
    let builds = if *main { &BUILDS[..1] } else { &BUILDS[..] };
    for features in builds {
        let features = features.split(',').map(|feature| format!("prospect-runner/{feature}"));
        let features = features.collect::<Vec<_>>().join(",");
        let mut arguments = vec!["clippy"];
        arguments.extend(CRATES.iter().flat_map(|name| ["-p", name]));
        arguments.extend(["--features", &features]);
        arguments.extend(CHECK_OPTIONS);
        arguments.extend(marks.iter().map(String::as_str));
        arguments.extend(["--", "-D", "warnings"]);
        let environment = stand_in.environment();
        run(environment, &format!("clippy {features}"), "cargo", &arguments, None)?;
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
        return run(stand_in.environment_apart(), program, program, &arguments, None);
    }
    // All crates are selected, so that every dependency has the features that it has in the other tests.
    let features = format!("{FEATURES},prospect-model/flash-attn");
    let files = ["rows", "graph", "any_device", "gpu"].iter().flat_map(|file| ["--test", file]);
    let tests: Vec<&str> = ["--workspace", "--features", &features].into_iter().chain(files).collect();
    let marks = marked("dev");
    let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
    let clippy = [&["clippy"], &tests[..], &CHECK_OPTIONS, &marks, &["--", "-D", "warnings"]].concat();
    run(stand_in.environment(), "clippy tests of a GPU", "cargo", &clippy, None)?;
    let options = [test_options()?, marked("release")].concat();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let test = [&["test"], &tests[..], &options].concat();
    for order in ["late", "soon", "1"] {
        let order_of_tasks = ("PROSPECT_STAND_IN_ORDER", order);
        let name = format!("tests of a GPU, {order}");
        run(stand_in.environment(), &name, "cargo", &test, Some(order_of_tasks))?;
    }
    Ok(())
}

fn run(
    environment: Vec<(&'static str, String)>,
    name: &str,
    program: &str,
    arguments: &[&str],
    further: Option<(&str, &str)>,
) -> Result<(), String> {
    let mut environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    environment.extend(further);
    step(name, program, arguments, &environment)
}
