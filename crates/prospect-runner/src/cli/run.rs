//! `prospect-runner run`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use prospect_config::Settings;

use super::arguments::RunArguments;
use super::print;
use crate::checkpoint::{Checkpoint, from_repository};
use crate::display::{Display, Lines, Silent, Terminal};
use crate::error::RunError;
use crate::run::{self, RunInputs};
use crate::source::STDIN;
use crate::strategies::Registry;
use crate::suspend::{Keeper, SuspendError};
use crate::trace::{TRACE_FILE, Tee, TraceSink, TraceWriter};

/// The video that is streamed where none is named.
const DEFAULT_VIDEO: &str = "fixtures/workbench/videos/video_000.mp4";

pub(super) fn run(arguments: &RunArguments, strategies: &Registry) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print(strategies)? else { return Ok(()) };
    let source = match &arguments.source {
        Some(source) => source.clone(),
        None => from_repository(DEFAULT_VIDEO)?.display().to_string(),
    };
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings)?;
    let annotations = run::annotations_of(&settings, &source)?;
    let folder = output_folder(&settings, &source);
    let keeping = &arguments.keeping;
    let keeper = |path| Keeper::new(path, keeping.checkpoint_every, &settings, &source);
    let keeper = keeping.checkpoint.as_deref().map(keeper).transpose()?;
    let suspended = keeper.as_ref().filter(|_| keeping.resume).map(Keeper::suspended).transpose()?;
    let mut trace = match &suspended {
        Some(stream) => TraceWriter::continued(&folder, stream.trace()).map_err(|problem| {
            let trace = folder.join(TRACE_FILE);
            SuspendError::Trace { path: stream.path().to_owned(), trace, problem }
        })?,
        None => TraceWriter::in_folder(&folder),
    };
    let inputs = RunInputs {
        settings: &settings,
        strategies,
        checkpoint: &checkpoint,
        source: &source,
        annotations: annotations.as_ref(),
    };
    let stream = |trace: &mut dyn TraceSink, display: &mut dyn Display| match (suspended, &keeper) {
        (Some(suspended), Some(keeper)) => run::resume(inputs, keeper, suspended, trace, display),
        (_, keeper) => run::run_kept(inputs, keeper.as_ref(), trace, display),
    };
    if settings.output.json {
        return stream(&mut Tee::new(&mut trace, std::io::stdout()), &mut Silent).map(drop);
    }
    let mut display: Box<dyn Display> = if std::io::stderr().is_terminal() {
        Box::new(Terminal::new())
    } else {
        Box::new(Lines::new(std::io::stdout()))
    };
    let outcome = stream(&mut trace, display.as_mut());
    if trace.has_begun() {
        print(&format!("trace: {}", trace.path().display()));
    }
    if let (Err(RunError::Interrupted), Some(keeper)) = (&outcome, &keeper) {
        print(&format!("checkpoint: {}, to go on with --resume", keeper.path().display()));
    }
    outcome.map(drop)
}

/// Where the trace goes: what the settings say, or a folder in `out/` named after the source.
pub(super) fn output_folder(settings: &Settings, source: &str) -> PathBuf {
    let source = if source == STDIN { "stdin" } else { source };
    let stem = Path::new(source).file_stem().map(|stem| stem.to_string_lossy().replace(['*', '?', '['], "_"));
    settings
        .output
        .dir
        .clone()
        .unwrap_or_else(|| Path::new("out").join(stem.unwrap_or_else(|| "stream".into())))
}
