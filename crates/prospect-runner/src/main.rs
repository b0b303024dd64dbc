//! `prospect-runner`: watches a video as it happens and speaks when it helps.

fn main() -> std::process::ExitCode {
    prospect_runner::cli::main()
}
