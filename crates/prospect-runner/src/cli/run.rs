//! `prospect-runner run`.

use std::cell::Cell;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::rc::Rc;

use prospect_config::Settings;

use super::arguments::{KeepingArguments, RunArguments};
use super::output_folder::{Earlier, take_run_folder};
use super::people::Listening;
use super::results::{Ended, Results};
use super::say::{complain, print, print_fitted};
use crate::checkpoint::{Checkpoint, from_repository};
use crate::display::{Display, Gauged, Gauges, Lines, Silent, Terminal};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::layout::output_width;
use crate::memory_span::MemorySpan;
use crate::outlet::Outlet;
use crate::run::{self, Keeping, RunInputs};
use crate::silent_forever;
use crate::strategies::Registry;
use crate::stream_costs::SilentStream;
use crate::suspend::{Keeper, SuspendError, SuspendedRun, trace_in};
use prospect_evaluation::annotations::Annotations;
use prospect_journal::{Tee, TraceSink};
use prospect_session::{Event, Reply};

/// The video that is streamed if none is named.
const DEFAULT_VIDEO: &str = "fixtures/workbench/videos/video_000.mp4";

pub(super) fn run(
    arguments: &RunArguments,
    strategies: &Registry,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print(strategies)? else { return Ok(()) };
    let source = source(arguments)?;
    let annotations = run::annotations_of(&settings, &source)?;
    let listening = Listening::to(arguments.ask_file.as_deref(), &source)?;
    let frames = || run::frames_in_file(&settings, &source, interrupt);
    silent_forever::check(&settings, annotations.as_ref(), listening.listener(), frames)?;
    let KeepingArguments { resume, overwrite, .. } = arguments.keeping;
    let mut results = Results::of(&arguments.results, &settings, &source, resume || overwrite)?;
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings, interrupt)?;
    let keeper = keeper(&arguments.keeping, &settings, &checkpoint, &source)?;
    let suspended = keeper.as_ref().filter(|_| resume).map(Keeper::suspended).transpose()?;
    let position = suspended.as_ref().map(SuspendedRun::trace);
    let (folder, lock) = take_run_folder(&settings, &source, Earlier::of(position, overwrite))?;
    lock.missing().iter().for_each(|note| complain("note", note));
    let mut trace = trace_in(&folder, suspended.as_ref())?;
    let earlier = position.map(|position| earlier_replies(trace.path(), position.bytes));
    let inputs = RunInputs {
        settings: &settings,
        strategies,
        checkpoint: &checkpoint,
        source: &source,
        annotations: annotations.as_ref(),
        interrupt,
    };
    let stream = |trace: &mut dyn TraceSink, display: &mut dyn Display| {
        let on_open = Box::new(|input| listening.begin(input));
        let (keeper, tells_words) = (keeper.as_ref(), display.shows_words());
        // A stream that is saved can be continued later.
        let ends_live = keeper.is_none();
        let keeping = Keeping { keeper, suspended, tells_words, ends_live, on_open: Some(on_open) };
        run::run(inputs, keeping, trace, display)
    };
    let gauges = Rc::new(Cell::new(Gauges::within(settings.context.max_seq_len)));
    let (says, mut display) = (!settings.output.json, display(&settings, &gauges));
    let stream =
        |trace: &mut dyn TraceSink, display: &mut dyn Display| stream(&mut Gauged { trace, gauges }, display);
    if says {
        arguments.common.note_defaults(&settings);
        say_memory(&settings, strategies, annotations.as_ref(), &checkpoint)?;
    }
    display.earlier(earlier.clone().unwrap_or_default());
    let outcome = match says {
        true => results.attend(&folder, earlier, (&mut trace, display.as_mut()), stream),
        false => {
            let mut tee = Tee::new(&mut trace, Outlet);
            results.attend(&folder, earlier, (&mut tee, display.as_mut()), stream)
        }
    };
    if says {
        let resumable = keeper.as_ref().filter(|_| matches!(outcome, Err(RunError::Interrupted)));
        tell_places(Some(trace.path()).filter(|_| trace.has_begun()), resumable);
    }
    match trace.has_begun() {
        true => results.finish(
            &Ended { trace: trace.path(), source: &source, says, replaces: overwrite, interrupt },
            outcome.map(drop),
        ),
        false => outcome.map(drop),
    }
}

/// The source that is named, or the video of the repository.
fn source(arguments: &RunArguments) -> Result<String, RunError> {
    match &arguments.source {
        Some(source) => Ok(source.clone()),
        None => Ok(from_repository(DEFAULT_VIDEO)?.display().to_string()),
    }
}

/// Says how much of the stream the cache holds.
fn say_memory(
    settings: &Settings,
    strategies: &Registry,
    annotations: Option<&Annotations>,
    checkpoint: &Checkpoint,
) -> Result<(), RunError> {
    let rule = || strategies.overflow_rule(&settings.context);
    let guidance = annotations.map(Annotations::guidance).unwrap_or_default();
    let stream = SilentStream::new(settings, rule()?, guidance, &checkpoint.processor)?;
    print_fitted(&format!("memory: {}", MemorySpan::of(&stream, &rule()?)?));
    Ok(())
}

/// Prints the paths of the trace and of the saved stream.
fn tell_places(trace: Option<&Path>, resumable: Option<&Keeper>) {
    if let Some(trace) = trace {
        print(&format!("trace: {}", trace.display()));
    }
    if let Some(keeper) = resumable {
        print(&format!("checkpoint: {}, to go on with --resume", keeper.file().path().display()));
    }
}

/// The display of the run. A run with JSON on standard output has none.
fn display(settings: &Settings, gauges: &Rc<Cell<Gauges>>) -> Box<dyn Display> {
    if settings.output.json {
        Box::new(Silent)
    } else if std::io::stderr().is_terminal() || std::io::stdout().is_terminal() {
        Box::new(Terminal::new(Rc::clone(gauges)))
    } else {
        Box::new(Lines::new(Outlet).within(output_width()))
    }
}

/// The keeper that saves the stream, if one is requested. An existing saved stream is not replaced without
/// `--overwrite`.
fn keeper(
    keeping: &KeepingArguments,
    settings: &Settings,
    checkpoint: &Checkpoint,
    source: &str,
) -> Result<Option<Keeper>, RunError> {
    let Some(path) = keeping.checkpoint.as_deref() else { return Ok(None) };
    let keeper = Keeper::new(path, keeping.checkpoint_every, settings, &checkpoint.files, source)?;
    keeper.file().unlocked().iter().for_each(|note| complain("note", note));
    if keeper.file().holds_stream() && !keeping.resume && !keeping.overwrite {
        return Err(SuspendError::Kept { path: keeper.file().path().to_owned() }.into());
    }
    Ok(Some(keeper))
}

/// The earlier replies of a resumed stream, from the part of its trace that the saved stream covers. Lines
/// that cannot be read are left out.
fn earlier_replies(trace: &Path, bytes: u64) -> Vec<Reply> {
    let Ok(file) = std::fs::File::open(trace) else { return Vec::new() };
    let lines = BufReader::new(file.take(bytes)).lines().map_while(Result::ok);
    let reply = |line: String| match serde_json::from_str(&line).ok()? {
        Event::Reply { frame, time, text, repeats, .. } => Some(Reply { frame, time, text, repeats }),
        _ => None,
    };
    lines.filter_map(reply).collect()
}
