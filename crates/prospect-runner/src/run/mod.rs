//! One video from its source to a closed trace.

mod served;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use image::RgbImage;
use prospect_config::{EncodeAhead, FramePolicy, OnCorruptFrame, Settings};
use prospect_engine::{
    CheckpointLanguage, Engine, EngineError, EngineOptions, Preparation, PreparedPicture, SmolVlmStreams,
    Speaker, StreamModel, StreamSetup,
};
use prospect_session::{Aside, RunStatistics};
use serde::{Deserialize, Serialize};

use crate::annotations::{Annotations, Message};
use crate::checkpoint::Checkpoint;
use crate::display::Display;
use crate::error::RunError;
use crate::source::delivery::{Delivered, Delivery, DeliveryPolicy, Next, Pace, PreparedFrame};
use crate::source::{
    self, Aftermath, Behind, FrameSource, InputOptions, Reconnect, SourceOptions, StopSignal,
};
use crate::strategies::Registry;
use crate::suspend::{Keeper, SuspendError, SuspendedStream};
use crate::trace::{Event, SCHEMA_VERSION, TraceSink};
use crate::version::versions;

pub use served::{ServedStream, close_failed};

/// Set by Ctrl-C; a run looks at it before each frame.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Why a frame did not reach a model that was busy.
const STALE: &str = "newer frames came while the model was busy";

/// How often a run that waits for a frame looks for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);

/// Frames that are decoded while the model works, where the source waits for it.
const READ_AHEAD: usize = 2;

/// What is streamed through what.
#[derive(Clone, Copy)]
pub struct RunInputs<'a> {
    /// Fitted to the checkpoint ([`Checkpoint::fit`]).
    pub settings: &'a Settings,
    /// Strategies beside the built-in ones.
    pub strategies: &'a Registry,
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// Where the frames come from.
    pub source: &'a str,
    /// Those of [`annotations_of`].
    pub annotations: Option<&'a Annotations>,
}

impl RunInputs<'_> {
    /// The stream as an engine opens it.
    ///
    /// # Errors
    /// A strategy that this program does not know.
    pub fn setup(&self) -> Result<StreamSetup, RunError> {
        let rule = self.strategies.overflow_rule(&self.settings.context)?;
        let guidance = self.annotations.map(Annotations::guidance).unwrap_or_default();
        let language = Arc::new(CheckpointLanguage(Arc::clone(&self.checkpoint.processor)));
        Ok(StreamSetup::new(language, rule, self.settings, guidance))
    }
}

/// What people speak to a stream through.
pub type StreamSpeaker = Speaker<SmolVlmStreams>;

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What the source has given: frames, and such as could not be had.
    pub items: usize,
    /// The number of the next frame.
    pub next_index: usize,
    /// Stream time of the last frame, one that was dropped too.
    pub last: Option<f64>,
    /// Stream time of the first and the last frame.
    pub span: Option<(f64, f64)>,
}

impl Progress {
    /// Whether everything that the source gave was a frame: then the frames fill the time between the first and the last.
    fn is_whole(&self, fps: f64) -> bool {
        let frames = |(first, last): (f64, f64)| ((last - first) * fps).round() as usize + 1;
        self.span.map_or(0, frames) == self.items
    }

    /// Where a stream goes on behind this.
    fn behind(&self, fps: f64) -> Behind {
        Behind { index: self.next_index, time: self.last.map_or(0.0, |last| last + 1.0 / fps) }
    }
}

/// What a run leaves in memory; everything else is in its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The figures that close the trace.
    pub statistics: RunStatistics,
    /// Stream time of the first and the last frame, in seconds.
    pub span: (f64, f64),
}

impl Outcome {
    /// The references at whose time there was a frame to reply to.
    pub fn references<'a>(&self, annotations: &'a Annotations) -> Vec<&'a Message> {
        annotations.references_between(self.span.0, self.span.1).collect()
    }
}

/// How a run is written down, where it goes on, and who may speak to it.
#[derive(Default)]
pub struct Keeping<'a> {
    /// Writes it down now and then: before the first frame, every so many, and after Ctrl-C.
    pub keeper: Option<&'a Keeper>,
    /// The stream that it goes on with, and with its trace.
    pub suspended: Option<SuspendedStream>,
    /// Hears of the stream once people can speak to it.
    pub on_open: Option<Box<dyn FnOnce(StreamSpeaker) + 'a>>,
}

/// A stream that is there, or that will be.
enum Opening {
    GoesOn(ServedStream<SmolVlmStreams>),
    Begins(Box<StreamSetup>),
}

/// Streams a source through a checkpoint, into `trace` and onto `display`.
///
/// # Errors
/// The source, or whatever ends the stream; the trace is closed in every case. What does not fit a stream that goes on is
/// found before its trace is touched.
pub fn run(
    inputs: RunInputs<'_>,
    keeping: Keeping<'_>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let RunInputs { settings, checkpoint, source, annotations, .. } = inputs;
    let Keeping { keeper, suspended, on_open } = keeping;
    let setup = inputs.setup()?;
    let strategy = setup.rule.name().to_owned();
    let mut progress = suspended.as_ref().map(|stream| stream.progress().clone()).unwrap_or_default();
    let behind = if suspended.is_some() { progress.behind(settings.stream.fps) } else { Behind::default() };
    let (mut frames, stop) = open(settings, source, behind)?;
    let model = SmolVlmStreams::new(Arc::clone(&checkpoint.model), &checkpoint.processor);
    let engine = Engine::start(Arc::new(model), EngineOptions::default())?;
    let opening = match suspended {
        None => Opening::Begins(Box::new(setup)),
        Some(suspended) => {
            let path = suspended.path().to_owned();
            let stream = resume(&engine, setup, suspended)?;
            skip(frames.as_mut(), &progress, settings.stream.fps, path)?;
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
        Opening::Begins(setup) => begin(&engine, *setup, &progress, keeper, trace),
    };
    let outcome = stream.and_then(|stream| {
        if let Some(hears) = on_open {
            hears(stream.speaker());
        }
        let on_corrupt_frame = settings.stream.on_corrupt_frame;
        drive(&stream, &mut frames, on_corrupt_frame, &mut progress, keeper, trace, display)
    });
    display.end(outcome.as_ref().ok());
    outcome
}

/// Opens a stream that begins; its trace is closed if it cannot.
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

/// Opens a stream that goes on.
fn resume(
    engine: &Engine<SmolVlmStreams>,
    setup: StreamSetup,
    suspended: SuspendedStream,
) -> Result<ServedStream<SmolVlmStreams>, RunError> {
    let path = suspended.path().to_owned();
    let resumption = Some(suspended.into_resumption());
    match engine.open(StreamSetup { resumption, ..setup }) {
        Ok(stream) => Ok(ServedStream::of(stream)),
        Err(EngineError::Unfit(problem)) => Err(SuspendError::Unfit { path, problem }.into()),
        Err(error) => Err(error.into()),
    }
}

/// Passes over what a stream has seen already; a live source goes on behind the stream by itself.
fn skip(frames: &mut dyn FrameSource, progress: &Progress, fps: f64, path: PathBuf) -> Result<(), RunError> {
    if frames.is_live() {
        return Ok(());
    }
    let items = progress.items;
    let found = match progress.is_whole(fps) {
        true => frames.skip_whole(items),
        false => frames.skip(items),
    };
    match found < items {
        // A source that ends when it is told to has not become shorter.
        true if INTERRUPTED.load(Ordering::Relaxed) => Err(RunError::Interrupted),
        true => Err(SuspendError::SourceEnded { path, items, found }.into()),
        false => Ok(()),
    }
}

/// Feeds every frame behind those of `progress`; closes the trace whatever happens.
///
/// # Errors
/// [`RunError::Interrupted`] after Ctrl-C, or the first failure that ends the run.
pub fn drive<M: StreamModel>(
    stream: &ServedStream<M>,
    frames: &mut Delivery<M::Picture>,
    on_corrupt_frame: OnCorruptFrame,
    progress: &mut Progress,
    keeper: Option<&Keeper>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let fed = feed(stream, frames, on_corrupt_frame, progress, keeper, trace, display);
    let nothing = || RunError::NoFrames { source_name: frames.description().to_owned() };
    match fed.and_then(|()| progress.span.ok_or_else(nothing)) {
        Ok(span) => Ok(Outcome { statistics: stream.finish(trace)?, span }),
        Err(error) => {
            stream.fail(&error, trace)?;
            Err(error)
        }
    }
}

fn feed<M: StreamModel>(
    stream: &ServedStream<M>,
    frames: &mut Delivery<M::Picture>,
    on_corrupt_frame: OnCorruptFrame,
    progress: &mut Progress,
    keeper: Option<&Keeper>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<(), RunError> {
    loop {
        let next = frames.next(PATIENCE);
        if INTERRUPTED.load(Ordering::Relaxed) {
            keeper.map_or(Ok(()), |keeper| keeper.keep(stream, progress, trace))?;
            return Err(RunError::Interrupted);
        }
        match next {
            Next::NotYet => continue,
            Next::End => break,
            Next::Item(Delivered::Dropped(frame)) => {
                (progress.next_index, progress.last) = (frame.index + 1, Some(frame.time));
                let frame = Some((frame.index, frame.time));
                stream.aside(Aside::FrameLost { reason: STALE.to_owned(), frame }, trace)?;
            }
            Next::Item(Delivered::Frame(PreparedFrame { frame, picture }, arrival, queued)) => {
                let arrival = arrival.map(|arrival| (arrival, queued));
                let reply = stream.frame(&frame, picture?, arrival, trace)?;
                progress.span = Some((progress.span.map_or(frame.time, |(first, _)| first), frame.time));
                display.frame(&frame, reply.as_ref());
                (progress.next_index, progress.last) = (frame.index + 1, Some(frame.time));
            }
            Next::Item(Delivered::Failed(error)) => {
                let message = error.to_string();
                let skips = on_corrupt_frame == OnCorruptFrame::Skip;
                let aside = match error.aftermath() {
                    Aftermath::NextFrame if skips => {
                        Aside::FrameLost { reason: message.clone(), frame: None }
                    }
                    Aftermath::Resumed => Aside::SourceInterrupted(message.clone()),
                    Aftermath::Note if skips => Aside::SourceNote(message.clone()),
                    Aftermath::NextFrame | Aftermath::Note | Aftermath::End => return Err(error.into()),
                };
                stream.aside(aside, trace)?;
                display.note(&message);
            }
        }
        progress.items += 1;
        keeper.map_or(Ok(()), |keeper| keeper.keep_if_due(stream, progress, trace))?;
    }
    Ok(())
}

/// The annotation file that the settings name, or the one beside the video.
pub(crate) fn annotations_file(settings: &Settings, source: &str) -> Option<PathBuf> {
    let named = settings.evaluation.annotations.clone();
    named.or_else(|| Annotations::beside(source.as_ref()))
}

/// The annotations that the settings name, or those beside the video.
///
/// # Errors
/// The file cannot be read or is malformed.
pub fn annotations_of(settings: &Settings, source: &str) -> Result<Option<Annotations>, RunError> {
    let path = annotations_file(settings, source);
    Ok(path.map(|path| Annotations::from_file(&path)).transpose()?)
}

pub(crate) fn source_options(settings: &Settings) -> SourceOptions {
    let stream = &settings.stream;
    SourceOptions {
        fps: stream.fps,
        start: stream.start.unwrap_or(0.0),
        end: stream.end,
        max_frames: stream.max_frames,
    }
}

/// How the settings reach a source.
pub(crate) fn input_options(settings: &Settings) -> InputOptions {
    let source = &settings.source;
    InputOptions {
        live: source.live,
        ffmpeg: source.ffmpeg.clone(),
        ffmpeg_input: source.ffmpeg_input.clone(),
        stall_timeout: Duration::from_secs_f64(source.stall_timeout),
        reconnect: Reconnect {
            initial: Duration::from_secs_f64(source.reconnect_initial),
            longest: Duration::from_secs_f64(source.reconnect_max),
            attempts: source.reconnect_attempts,
            give_up_after: source.give_up_after.map(Duration::from_secs_f64),
        },
        behind: Behind::default(),
    }
}

fn open(
    settings: &Settings,
    source: &str,
    behind: Behind,
) -> Result<(Box<dyn FrameSource>, StopSignal), RunError> {
    let stop = StopSignal::hearing(&INTERRUPTED);
    let frames = source::open_with(
        source,
        source_options(settings),
        &InputOptions { behind, ..input_options(settings) },
        &stop,
    )?;
    Ok((frames, stop))
}

/// Begins to read a source, which ends when it hears `stop`.
fn deliver(
    settings: &Settings,
    checkpoint: &Checkpoint,
    frames: Box<dyn FrameSource>,
    stop: StopSignal,
) -> Result<Delivery<PreparedPicture>, RunError> {
    let pace = match (frames.is_live(), settings.source.realtime) {
        (true, _) => Pace::Live,
        (false, true) => Pace::Realtime,
        (false, false) => Pace::Model,
    };
    let policy = match settings.source.policy {
        FramePolicy::Latest => DeliveryPolicy::Newest(1),
        FramePolicy::Queue(frames) => DeliveryPolicy::Newest(frames),
        FramePolicy::Auto if pace != Pace::Model => DeliveryPolicy::Newest(1),
        FramePolicy::Auto | FramePolicy::Block => DeliveryPolicy::Block(READ_AHEAD),
    };
    // Of slow streams a week is enough of a deadline.
    let interval = Duration::from_secs_f64((1.0 / settings.stream.fps).min(604_800.0));
    // What may be dropped is not worth encoding before its turn.
    let encode_ahead = match policy {
        DeliveryPolicy::Block(_) => settings.model.encode_ahead,
        DeliveryPolicy::Newest(_) => EncodeAhead::Off,
    };
    let mut preparation = Preparation::new(&checkpoint.model, &checkpoint.processor, encode_ahead)?;
    let prepare = Box::new(move |image: &Arc<RgbImage>| Ok(preparation.prepare(image)?));
    Ok(Delivery::start(frames, prepare, policy, pace, interval, stop)?)
}

/// The settings as they are written down: numbers, words and lists always become JSON, and what ffmpeg is told of passwords does not.
pub(crate) fn settings_without_secrets(settings: &Settings) -> serde_json::Value {
    let mut value = serde_json::to_value(settings).unwrap_or_default();
    let arguments = source::arguments_without_secrets(&settings.source.ffmpeg_input);
    if let Some(written) = value.pointer_mut("/source/ffmpeg_input").filter(|_| !arguments.is_empty()) {
        *written = arguments.into();
    }
    value
}

fn started(settings: &Settings, checkpoint: &Checkpoint, source: &str, strategy: &str) -> Event {
    Event::RunStarted {
        schema_version: SCHEMA_VERSION,
        config: settings_without_secrets(settings),
        model: checkpoint.name.clone(),
        commit: checkpoint.commit.clone(),
        source: source.to_owned(),
        device: checkpoint.model.placement().device.to_string(),
        threads: prospect_model::threads(),
        dtype: checkpoint.model.placement().to_string(),
        strategy: strategy.to_owned(),
        kv_bytes_per_token: checkpoint.model.kv_bytes_per_token(),
        versions: versions(),
    }
}
