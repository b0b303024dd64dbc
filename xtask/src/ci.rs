//! `cargo xtask ci`: the steps of CI, in the order in which they fail fastest.

use std::process::{Command, Stdio};

use crate::command::{announce, step};
use crate::cuda;
use crate::deny;
use crate::e2e;
use crate::selection::{CHECK_OPTIONS, FEATURES, test_options};
use crate::tidy;
use crate::workspace::workspace_root;

/// Runs every step; stops at the first that fails.
pub(crate) fn run() -> Result<(), String> {
    format_and_rules()?;
    deny::run()?;
    lints()?;
    cuda::check(&cuda::CheckArguments::for_ci())?;
    let documentation = ["doc", "--workspace", "--no-deps", "--features", FEATURES];
    let documentation = [&documentation[..], &CHECK_OPTIONS].concat();
    step("doc", "cargo", &documentation, &[("RUSTDOCFLAGS", "-D warnings")])?;
    step("package prospect-context", "cargo", &["package", "-p", "prospect-context", "--allow-dirty"], &[])?;
    test(&TestArguments::default())?;
    cuda::test(&cuda::TestArguments::default())?;
    main_job()?;
    // The script that a person runs on a GPU machine, here on the CPU and with few cases, so that it
    // works there at the first attempt.
    let binary = "target/release/prospect-runner";
    step("gpu-check on the CPU", "xtask/gpu-check.sh", &["--quick", binary, "cpu"], &[])?;
    page(binary)?;
    custom_strategy()?;
    announce("e2e");
    e2e::run(&e2e::Arguments::for_ci())
}

/// Which tests are run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct TestArguments {
    /// Arguments of `cargo test`: which tests, and behind `--` how.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the tests, built with the dependencies of the release build.
pub(crate) fn test(TestArguments { arguments }: &TestArguments) -> Result<(), String> {
    let options = test_options()?;
    let selection = ["test", "--workspace", "--features", FEATURES];
    let all: Vec<&str> =
        selection.into_iter().chain(options.iter().chain(arguments).map(String::as_str)).collect();
    step("test", "cargo", &all, &[])?;
    announce(
        "target/release/prospect-runner is now the tests' program: cargo build --release makes the fast one",
    );
    Ok(())
}

/// The quick part of [`run`] for use during development: format, rules, lints, and the tests of the
/// crates without tensors.
pub(crate) fn check() -> Result<(), String> {
    format_and_rules()?;
    lints()?;
    let packages = tidy::TENSOR_FREE.iter().flat_map(|name| ["-p", name]);
    let test: Vec<&str> =
        ["test", "--features", "prospect-context/serde"].into_iter().chain(packages).collect();
    step("test without tensors", "cargo", &test, &[])
}

fn format_and_rules() -> Result<(), String> {
    step("fmt", "cargo", &["fmt", "--all", "--check"], &[])?;
    announce("tidy");
    tidy::run()
}

fn lints() -> Result<(), String> {
    let selection = ["clippy", "--workspace", "--all-targets", "--features", FEATURES];
    let arguments = [&selection[..], &CHECK_OPTIONS, &["--", "-D", "warnings"]].concat();
    step("clippy", "cargo", &arguments, &[])
}

/// Runs the README's command that streams the small video through the small model.
fn main_job() -> Result<(), String> {
    streams("main job", "cargo", &["run", "--release", "-p", "prospect-runner", "--", "run"])
}

/// Tests the server's page in a browser. Without node or a browser the step is announced as skipped.
fn page(binary: &str) -> Result<(), String> {
    let has_node = Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !has_node.is_ok_and(|status| status.success()) {
        announce("page: skipped: expected node to drive a browser");
        return Ok(());
    }
    step("page", "node", &["xtask/page-check/check.mjs", binary], &[])
}

/// Runs a strategy from another crate by name, in an example binary that the tests have built.
fn custom_strategy() -> Result<(), String> {
    let stream = ["run", "--strategy", "every_other_frame", "--set", "context.custom.params.keep_one_of=3"];
    streams("custom strategy", "target/release/examples/custom_strategy", &stream)
}

/// Runs a stream and checks its trace: it must contain overflows and replies, and end in order.
fn streams(name: &str, program: &str, arguments: &[&str]) -> Result<(), String> {
    let out = workspace_root().join("target").join(name.replace(' ', "-"));
    let folder = out.display().to_string();
    step(name, program, &[arguments, &["--out", &folder]].concat(), &[])?;
    let trace = out.join("trace.jsonl");
    let text = std::fs::read_to_string(&trace).map_err(|error| format!("{}: {error}", trace.display()))?;
    let last: serde_json::Value = text
        .lines()
        .last()
        .and_then(|line| serde_json::from_str(line).ok())
        .ok_or_else(|| format!("{}: expected JSON lines", trace.display()))?;
    let counted = |key: &str| last[key].as_u64().unwrap_or(0);
    if last["event"] == "run_finished" && counted("replies") > 0 && counted("overflows") > 0 {
        Ok(())
    } else {
        Err(format!("{}: expected replies, overflows and run_finished, found {last}", trace.display()))
    }
}
