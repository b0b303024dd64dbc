//! `cargo xtask ci`: the steps of CI, in the order in which they fail fastest.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::tidy;

/// Runs every step; stops at the first that fails.
pub(crate) fn run() -> Result<(), String> {
    step("fmt", "cargo", &["fmt", "--all", "--check"], &[])?;
    announce("tidy");
    tidy::run()?;
    step("clippy", "cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    step("doc", "cargo", &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    step(
        "package prospect-context",
        "cargo",
        &["package", "-p", "prospect-context", "--allow-dirty", "--no-verify"],
        &[],
    )?;
    step("test", "cargo", &["test", "--workspace"], &[])
}

fn announce(name: &str) {
    #[expect(clippy::print_stdout, reason = "CI's log is read by people")]
    {
        println!("--- {name}");
    }
}

fn step(name: &str, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    announce(name);
    let root = workspace_root();
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .map_err(|error| format!("{name}: cannot start {program}: {error}"))?;
    if status.success() {
        announce(&format!("{name} passed in {:.0} s", started.elapsed().as_secs_f64()));
        Ok(())
    } else {
        Err(format!("{name} failed: {program} {}", arguments.join(" ")))
    }
}

/// The folder of the workspace's Cargo.toml.
pub(crate) fn workspace_root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}
