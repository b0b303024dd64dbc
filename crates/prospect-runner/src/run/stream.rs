//! Runs one video through one stream.

use std::sync::Arc;

use prospect_engine::{Engine, EngineError, EngineOptions, SmolVlmStreams, StreamInput, StreamSetup};
use prospect_journal::TraceSink;
use prospect_session::{Aside, RunStatistics};
use prospect_source::{Behind, FrameSource, StopSignal};

use super::drive::Drive;
use super::frames::{deliver, open, skip};
use super::inputs::{RunInputs, started};
use super::outcome::Outcome;
use super::progress::Progress;
use super::served::{ServedStream, close_failed};
use crate::display::Display;
use crate::error::RunError;
use crate::suspend::{Keeper, SuspendError, SuspendedRun};

/// How a run is suspended and resumed, and who may speak to it.
#[derive(Default)]
pub struct Keeping<'a> {
    /// Suspends the stream to a file before the first frame, at regular intervals, and after Ctrl-C.
    pub keeper: Option<&'a Keeper>,
    /// The stream to resume, whose trace is continued.
    pub suspended: Option<SuspendedRun>,
    /// Whether the trace's sink gets the words of a reply as they are generated.
    pub tells_words: bool,
    /// Whether an interrupt is the end of a live stream, as Ctrl-C of a person is who has seen enough.
    pub ends_live: bool,
    /// Gets the stream's handle once people can speak to the stream.
    pub on_open: Option<Box<dyn FnOnce(StreamInput<SmolVlmStreams>) + 'a>>,
}

/// A stream that is resumed, or one that begins.
enum Opening {
    GoesOn(ServedStream<SmolVlmStreams>),
    Begins(Box<StreamSetup>),
}

/// The engine that serves the stream, and the function that opens its source at the right position.
pub struct Way<'a> {
    /// The engine. It may serve other streams too.
    pub engine: &'a Engine<SmolVlmStreams>,
    /// Opens the source, which ends at the stop signal.
    pub open: OpenSource<'a>,
}

/// A function that opens a source.
pub type OpenSource<'a> = Box<dyn FnOnce(Behind, &StopSignal) -> Result<Box<dyn FrameSource>, RunError> + 'a>;

/// Streams a source through a checkpoint. Events go to `trace`, and `display` shows them.
///
/// # Errors
/// The source fails, or anything else that ends the stream; the trace is closed in every case. If a
/// stream cannot be resumed, its trace is not changed.
pub fn run(
    inputs: RunInputs<'_>,
    keeping: Keeping<'_>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let RunInputs { settings, checkpoint, source, .. } = inputs;
    let open = Box::new(|behind, stop: &StopSignal| open(settings, source, behind, stop));
    let model = SmolVlmStreams::new(Arc::clone(&checkpoint.model), &checkpoint.processor);
    let engine = Engine::start(Arc::new(model), EngineOptions::default())?;
    run_on(Way { engine: &engine, open }, inputs, keeping, trace, display)
}

/// As [`run`], with an existing engine and a source of the caller.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    way: Way<'_>,
    inputs: RunInputs<'_>,
    keeping: Keeping<'_>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let RunInputs { settings, checkpoint, annotations, interrupt, .. } = inputs;
    let Keeping { keeper, suspended, tells_words, ends_live, on_open } = keeping;
    let Way { engine, open } = way;
    let setup = StreamSetup { tells_words, ..inputs.setup()? };
    let strategy = setup.rule.name().to_owned();
    let mut progress = suspended.as_ref().map(|stream| stream.progress().clone()).unwrap_or_default();
    let behind = if suspended.is_some() { progress.behind(settings.stream.fps) } else { Behind::default() };
    let stop = interrupt.stop_signal();
    let mut frames = open(behind, &stop)?;
    let opening = match suspended {
        None => Opening::Begins(Box::new(setup)),
        Some(suspended) => {
            let path = suspended.path().to_owned();
            let changes = suspended.identity().changes_to(settings);
            let stream = resume(engine, setup, suspended)?;
            skip(frames.as_mut(), &progress, settings.stream.fps, path, interrupt)?;
            if !changes.is_empty() {
                stream.aside(Aside::SettingsChanged(changes), trace)?;
            }
            Opening::GoesOn(stream)
        }
    };
    let mut frames = deliver(settings, checkpoint, frames, stop)?;
    if let Opening::Begins(_) = opening {
        trace.record(&started(settings, checkpoint, frames.description(), &strategy))?;
    }
    display.begin(frames.description(), frames.length(), annotations, settings.stream.fps);
    let stream = match opening {
        Opening::GoesOn(stream) => Ok(stream),
        Opening::Begins(setup) => begin(engine, *setup, &progress, keeper, trace),
    };
    let outcome = stream.and_then(|stream| {
        if let Some(hears) = on_open {
            hears(stream.input().clone());
        }
        let on_corrupt_frame = settings.stream.on_corrupt_frame;
        let (stream, frames, progress) = (&stream, &mut frames, &mut progress);
        Drive { stream, frames, on_corrupt_frame, progress, keeper, interrupt, ends_live, trace, display }
            .to_end()
    });
    display.end(outcome.as_ref().ok());
    outcome
}

/// Opens a new stream. Closes its trace if that fails.
fn begin(
    engine: &Engine<SmolVlmStreams>,
    setup: StreamSetup,
    progress: &Progress,
    keeper: Option<&Keeper>,
    trace: &mut dyn TraceSink,
) -> Result<ServedStream<SmolVlmStreams>, RunError> {
    let stream = match engine.open(setup) {
        Ok(stream) => ServedStream::of(stream),
        Err(error) => {
            let error = error.into();
            close_failed(trace, &error, &RunStatistics::default())?;
            return Err(error);
        }
    };
    stream.record_rest(trace)?;
    match keeper.map_or(Ok(()), |keeper| keeper.keep(&stream, progress, trace)) {
        Ok(()) => Ok(stream),
        Err(error) => {
            stream.fail(&error, trace)?;
            Err(error)
        }
    }
}

/// Opens a suspended stream.
fn resume(
    engine: &Engine<SmolVlmStreams>,
    setup: StreamSetup,
    suspended: SuspendedRun,
) -> Result<ServedStream<SmolVlmStreams>, RunError> {
    let path = suspended.path().to_owned();
    let resumption = Some(suspended.into_resumption());
    match engine.open(StreamSetup { resumption, ..setup }) {
        Ok(stream) => Ok(ServedStream::of(stream)),
        Err(EngineError::Unfit(problem)) => Err(SuspendError::Unfit { path, problem }.into()),
        Err(error) => Err(error.into()),
    }
}
