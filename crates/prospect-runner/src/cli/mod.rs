//! The command line: arguments in, one command each, an exit code out.

mod arguments;
mod compare;
mod convert;
mod eval;
mod generate;
mod inspect;
mod merge;
mod run;
mod suite;
mod table;
mod tables;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Parser;

use crate::error::RunError;
use crate::run::INTERRUPTED;
use arguments::{Arguments, Command};

/// Exit code of a run that Ctrl-C ended.
const EXIT_INTERRUPTED: i32 = 130;

/// Parses the arguments of the process, runs the command and reports a failure as one line on standard error.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.command {
        Command::Run(command) => handle_interrupts().and_then(|()| run::run(command)),
        Command::Compare(command) => handle_interrupts().and_then(|()| compare::compare(command)),
        Command::Eval(command) => handle_interrupts().and_then(|()| eval::eval(command)),
        Command::Merge(command) => merge::merge(command),
        Command::Generate(command) => generate::generate(command),
        Command::Inspect(command) => inspect::inspect(command),
        Command::Convert(command) => convert::convert(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the one place where a failure reaches the person")]
            {
                eprintln!("error: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// The first Ctrl-C ends the run at the next frame, so that the trace is closed; the second one ends the process.
fn handle_interrupts() -> Result<(), RunError> {
    let handler = || {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_INTERRUPTED);
        }
    };
    ctrlc::set_handler(handler).map_err(|error| RunError::Argument {
        argument: "Ctrl-C".to_owned(),
        problem: error.to_string(),
        expected: "a system that lets it be handled".to_owned(),
    })
}

/// Writes a line to standard output; a reader that went away is no failure.
fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}
