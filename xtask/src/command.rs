//! Runs the commands of a chore.

use std::process::Command;
use std::time::Instant;

use crate::workspace::workspace_root;

/// Prints a headline in the log.
pub(crate) fn announce(name: &str) {
    #[expect(clippy::print_stdout, reason = "a chore's log is read by people")]
    {
        println!("--- {name}");
    }
}

/// Runs a command in the workspace. Its output goes to the log.
pub(crate) fn step(
    name: &str,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(), String> {
    announce(name);
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(workspace_root())
        .status()
        .map_err(|error| format!("{name}: cannot start {program}: {error}"))?;
    if status.success() {
        announce(&format!("{name} passed in {:.0} s", started.elapsed().as_secs_f64()));
        Ok(())
    } else {
        Err(format!("{name} failed: {program} {}", arguments.join(" ")))
    }
}
