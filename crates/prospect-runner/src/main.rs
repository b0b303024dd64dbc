//! `prospect-runner`: watches a video as it happens and speaks when it helps.

use prospect_runner::cli::Cli;

fn main() -> std::process::ExitCode {
    Cli::new().main()
}
