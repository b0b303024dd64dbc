//! `cargo xtask download`: fetches a checkpoint, as `prospect-runner download` does.

use clap::Args;

use crate::command::step;

/// Fetches a checkpoint from the hub into its cache.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 256m, 500m or 2.2b, or a hub id: OWNER/NAME, or OWNER/NAME@REVISION.
    #[arg(default_value = "500m")]
    model: String,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let download = ["run", "--release", "-p", "prospect-runner", "--", "download", &arguments.model];
    step("download", "cargo", &download, &[])
}
