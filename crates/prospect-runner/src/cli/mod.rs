//! The command line: arguments in, one command each, an exit code out.

mod arguments;
mod bench;
mod common;
mod compare;
mod convert;
mod doctor;
mod download;
mod eval;
mod examples;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod examples_tests;
mod formats;
mod generate;
mod inspect;
mod man;
mod merge;
#[cfg(feature = "serve")]
mod notify;
mod output_folder;
mod page;
mod parity;
mod people;
mod report;
mod results;
mod run;
mod say;
#[cfg(feature = "serve")]
mod serve;
mod simulate;
mod suite;
mod tables;
mod threads;
#[cfg(feature = "serve")]
mod tls;
mod trace_file;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use prospect_context::ContextStrategy;

use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::outlet::{self, Outlet};
use crate::strategies::{Parameters, Registry};
use crate::verbosity::{self, Level};
use arguments::{Arguments, Command, VerbosityArguments};
use say::complain;

/// The command line, with the strategies that a program adds to the built-in ones:
///
/// ```no_run
/// use prospect_runner::cli::Cli;
/// use prospect_context::strategies::DropAll;
///
/// fn main() -> std::process::ExitCode {
///     Cli::new().with_strategy("forget", |_parameters| Ok(Box::new(DropAll))).main()
/// }
/// ```
///
/// `--strategy forget` then names it, and so does `strategy = "custom"` with `custom.name = "forget"` in a
/// settings file.
#[derive(Default)]
pub struct Cli {
    strategies: Registry,
    /// A strategy that could not be registered.
    refused: Option<RunError>,
}

impl Cli {
    /// The built-in strategies alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a strategy under a name; `builder` makes it from `[context.custom.params]`, or says what is wrong
    /// with them.
    #[must_use]
    pub fn with_strategy(
        mut self,
        name: &str,
        builder: impl Fn(&Parameters<'_>) -> Result<Box<dyn ContextStrategy>, String> + Send + Sync + 'static,
    ) -> Self {
        let refused = self.strategies.register(name, Box::new(builder)).err().map(RunError::from);
        self.refused = self.refused.or(refused);
        self
    }

    /// Parses the arguments of the process, runs the command and reports a failure as one line on standard
    /// error.
    pub fn main(self) -> ExitCode {
        let arguments = Arguments::parse();
        set_verbosity(&arguments.verbosity);
        let outcome = match self.refused {
            None => start_threads().and_then(|()| run_command(&arguments, &Arc::new(self.strategies))),
            Some(refused) => Err(refused),
        };
        // A full disk behind standard output is a failure: the output is incomplete.
        let outcome = outcome
            .and_then(|()| outlet::failure().map_or(Ok(()), |source| Err(RunError::Output { source })));
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain("error", &error.to_string());
                ExitCode::from(error.exit_code())
            }
        }
    }
}

fn start_threads() -> Result<(), RunError> {
    if let Some(note) = threads::start()? {
        complain("note", &note);
    }
    Ok(())
}

/// `-v` and `-q`, else `PROSPECT_LOG`.
fn set_verbosity(VerbosityArguments { verbose, quiet }: &VerbosityArguments) {
    match Level::chosen(*verbose, *quiet, std::env::var(verbosity::VARIABLE).ok().as_deref()) {
        Ok(level) => level.set(),
        Err(note) => complain("warning", &note),
    }
}

fn run_command(arguments: &Arguments, strategies: &Arc<Registry>) -> Result<(), RunError> {
    match &arguments.command {
        Command::Run(command) => run::run(command, strategies, &Interrupt::by_signals()?),
        #[cfg(feature = "serve")]
        Command::Serve(command) => {
            serve::serve(command, &arguments.verbosity, strategies, &Interrupt::by_signals()?)
        }
        Command::Compare(command) => compare::compare(command, strategies, &Interrupt::by_signals()?),
        Command::Eval(command) => eval::eval(command, strategies, &Interrupt::by_signals()?),
        Command::Simulate(command) => simulate::simulate(command, strategies),
        Command::Report(command) => report::report(command),
        Command::Merge(command) => merge::merge(command),
        Command::Generate(command) => generate::generate(command),
        Command::Bench(command) => bench::bench(command),
        Command::Download(command) => download::download(command, &Interrupt::by_signals()?),
        Command::Parity(command) => parity::parity(command),
        Command::Inspect(command) => inspect::inspect(command),
        Command::Convert(command) => convert::convert(command),
        Command::Doctor => {
            doctor::doctor();
            Ok(())
        }
        Command::Man { folder } => man::man(folder),
        Command::Completions { shell } => {
            let program = &mut Arguments::command();
            clap_complete::generate(*shell, program, "prospect-runner", &mut Outlet);
            Ok(())
        }
    }
}
