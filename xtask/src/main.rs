//! The project's chores, one module per command.

mod ci;
mod command;
mod cuda;
mod deny;
mod download;
mod e2e;
mod fixtures;
mod memory;
mod selection;
mod tidy;
mod workbench;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the Prospect workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Render workbench videos with their annotations, or write a checkpoint of random weights at a published size.
    Fixtures(fixtures::Arguments),
    /// Fetch a checkpoint from the hub into its cache.
    Download(download::Arguments),
    /// The small model on unseen videos under every strategy: table, report, laws, floors.
    E2e(e2e::Arguments),
    /// The binary for NVIDIA GPUs, with a compiler from PyPI if the machine has none (docs/gpu.md).
    CudaBuild(cuda::Arguments),
    /// Clippy over every build for GPUs, with a stand-in for nvcc (docs/gpu.md).
    CudaCheck(cuda::CheckArguments),
    /// The tests of what a GPU computes, with the CPU in the place of one (docs/gpu.md).
    CudaTest(cuda::TestArguments),
    /// Licences, duplicate versions and known faults of the dependencies.
    Deny,
    /// The quick half of `ci`, while one works: format, rules, lints, the tests of the crates without tensors.
    Check,
    /// Everything a change has to pass: format, lints, tidy, docs, tests, the main job.
    Ci,
    /// The tests, as CI builds them; arguments are those of `cargo test`, as in `--test serve`.
    Test(ci::TestArguments),
    /// Check the rules of docs/ARCHITECTURE.md that no compiler checks.
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Fixtures(arguments) => fixtures::run(&arguments),
        Command::Download(arguments) => download::run(&arguments),
        Command::E2e(arguments) => e2e::run(&arguments),
        Command::CudaBuild(arguments) => cuda::run(&arguments),
        Command::CudaCheck(arguments) => cuda::check(&arguments),
        Command::CudaTest(arguments) => cuda::test(&arguments),
        Command::Check => ci::check(),
        Command::Ci => ci::run(),
        Command::Test(arguments) => ci::test(&arguments),
        Command::Deny => deny::run(),
        Command::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            #[expect(clippy::print_stderr, reason = "the one place where a chore reports its failure")]
            {
                eprintln!("xtask: {message}");
            }
            ExitCode::FAILURE
        }
    }
}
