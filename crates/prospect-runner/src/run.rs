//! One video from its source to a closed trace.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use image::RgbImage;
use prospect_config::{EncodeAhead, FramePolicy, OnCorruptFrame, Settings};
use serde::{Deserialize, Serialize};

use crate::annotations::Annotations;
use crate::checkpoint::Checkpoint;
use crate::display::Display;
use crate::error::RunError;
use crate::preparation::{Preparation, PreparedPicture};
use crate::session::{ContextRule, Outcome, RunStatistics, Session, SessionOptions, close_failed};
use crate::smolvlm::SmolVlmStream;
use crate::source::delivery::{Delivered, Delivery, DeliveryPolicy, Next, Pace, PreparedFrame};
use crate::source::{
    self, Aftermath, Behind, FrameSource, InputOptions, Reconnect, SourceOptions, StopSignal,
};
use crate::strategies::Registry;
use crate::stream_model::StreamModel;
use crate::suspend::{Keeper, SuspendError, SuspendedStream};
use crate::trace::{Event, SCHEMA_VERSION, TraceSink, Versions};

/// Set by Ctrl-C; a run looks at it before each frame.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

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
}

/// Streams a source through a checkpoint, into `trace` and onto `display`.
///
/// # Errors
/// The source, or whatever ends the stream; the trace is closed in every case.
pub fn run(
    inputs: RunInputs<'_>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    run_kept(inputs, None, trace, display)
}

/// As [`run`], written down by `keeper` now and then: before the first frame, every so many, and after Ctrl-C.
///
/// # Errors
/// As [`run`], and a checkpoint that cannot be written.
pub fn run_kept(
    inputs: RunInputs<'_>,
    keeper: Option<&Keeper>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let RunInputs { settings, strategies, checkpoint, source, annotations } = inputs;
    let rule = strategies.context_rule(&settings.context)?;
    let options = SessionOptions::new(settings, annotations);
    let (frames, stop) = open(settings, source, Behind::default())?;
    let mut frames = deliver(settings, checkpoint, frames, stop)?;
    let mut model = stream_model(settings, checkpoint, &rule, &options)?;
    trace.record(&started(settings, checkpoint, frames.description(), rule.name()))?;
    display.begin(frames.description(), frames.length(), annotations, settings.stream.fps);
    let mut session = match Session::new(&mut model, &rule, &options, annotations, &mut *trace) {
        Ok(session) => session,
        Err(error) => {
            close_failed(trace, &error, &RunStatistics::default())?;
            display.end(None);
            return Err(error);
        }
    };
    let (on_corrupt_frame, mut progress) = (settings.stream.on_corrupt_frame, Progress::default());
    let begun = keeper.map_or(Ok(()), |keeper| keeper.keep(&mut session, &progress));
    let outcome = match begun {
        Ok(()) => stream(&mut session, &mut frames, on_corrupt_frame, &mut progress, keeper, display),
        Err(error) => session.fail(&error).and(Err(error)),
    };
    display.end(outcome.as_ref().ok());
    outcome
}

/// Goes on with a stream that `keeper` has written down, and with its trace.
///
/// # Errors
/// As [`run_kept`]. What does not fit is found before the trace is touched.
pub fn resume(
    inputs: RunInputs<'_>,
    keeper: &Keeper,
    suspended: SuspendedStream,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let RunInputs { settings, strategies, checkpoint, source, annotations } = inputs;
    let rule = strategies.context_rule(&settings.context)?;
    let options = SessionOptions::new(settings, annotations);
    let interval = 1.0 / settings.stream.fps;
    let time = suspended.progress().last.map_or(0.0, |last| last + interval);
    let behind = Behind { index: suspended.progress().next_index, time };
    let (mut frames, stop) = open(settings, source, behind)?;
    let mut model = stream_model(settings, checkpoint, &rule, &options)?;
    let (items, path) = (suspended.progress().items, suspended.path().to_owned());
    let mut session = Session::prepared(&mut model, &rule, &options, annotations, trace)?;
    let mut progress = suspended.resume(&mut session)?;
    // A live source goes on behind the stream by itself.
    if !frames.is_live() {
        let found = match progress.is_whole(settings.stream.fps) {
            true => frames.skip_whole(items),
            false => frames.skip(items),
        };
        if found < items {
            // A source that ends when it is told to has not become shorter.
            if INTERRUPTED.load(Ordering::Relaxed) {
                return Err(RunError::Interrupted);
            }
            return Err(SuspendError::SourceEnded { path, items, found }.into());
        }
    }
    let mut frames = deliver(settings, checkpoint, frames, stop)?;
    display.begin(frames.description(), frames.length(), annotations, settings.stream.fps);
    let on_corrupt_frame = settings.stream.on_corrupt_frame;
    let outcome = stream(&mut session, &mut frames, on_corrupt_frame, &mut progress, Some(keeper), display);
    display.end(outcome.as_ref().ok());
    outcome
}

fn stream_model<'a>(
    settings: &Settings,
    checkpoint: &'a Checkpoint,
    rule: &ContextRule,
    options: &SessionOptions,
) -> Result<SmolVlmStream<'a>, RunError> {
    SmolVlmStream::new(
        checkpoint,
        options.max_seq_len,
        rule.positions(),
        settings.stream.not_talk_threshold,
        settings.generation.sampling,
    )
}

/// Feeds every frame behind those of `progress`; closes the trace whatever happens.
///
/// # Errors
/// [`RunError::Interrupted`] after Ctrl-C, or the first failure that ends the run.
pub fn stream<M: StreamModel>(
    session: &mut Session<'_, M>,
    frames: &mut Delivery<M::Prepared>,
    on_corrupt_frame: OnCorruptFrame,
    progress: &mut Progress,
    keeper: Option<&Keeper>,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let fed = feed(session, frames, on_corrupt_frame, progress, keeper, display);
    let nothing = || RunError::NoFrames { source_name: frames.description().to_owned() };
    match fed.and_then(|()| progress.span.ok_or_else(nothing)) {
        Ok(span) => Ok(Outcome { statistics: session.finish()?, span }),
        Err(error) => {
            session.fail(&error)?;
            Err(error)
        }
    }
}

fn feed<M: StreamModel>(
    session: &mut Session<'_, M>,
    frames: &mut Delivery<M::Prepared>,
    on_corrupt_frame: OnCorruptFrame,
    progress: &mut Progress,
    keeper: Option<&Keeper>,
    display: &mut dyn Display,
) -> Result<(), RunError> {
    loop {
        let next = frames.next(PATIENCE);
        if INTERRUPTED.load(Ordering::Relaxed) {
            keeper.map_or(Ok(()), |keeper| keeper.keep(session, progress))?;
            return Err(RunError::Interrupted);
        }
        match next {
            Next::NotYet => continue,
            Next::End => break,
            Next::Item(Delivered::Dropped(frame)) => {
                (progress.next_index, progress.last) = (frame.index + 1, Some(frame.time));
                session.skip_frame(frame)?;
            }
            Next::Item(Delivered::Frame(PreparedFrame { frame, picture }, arrival, queued)) => {
                if let Some(arrival) = arrival {
                    session.arrived(arrival, queued);
                }
                let reply = session.frame(&frame, picture?)?;
                progress.span = Some((progress.span.map_or(frame.time, |(first, _)| first), frame.time));
                display.frame(&frame, reply.as_ref());
                (progress.next_index, progress.last) = (frame.index + 1, Some(frame.time));
            }
            Next::Item(Delivered::Failed(error)) => {
                let message = error.to_string();
                match error.aftermath() {
                    Aftermath::NextFrame if on_corrupt_frame == OnCorruptFrame::Skip => {
                        session.lose_frame(&message)?;
                    }
                    Aftermath::Resumed => session.source_interrupted(&message)?,
                    Aftermath::Note if on_corrupt_frame == OnCorruptFrame::Skip => {
                        session.source_note(&message)?
                    }
                    Aftermath::NextFrame | Aftermath::Note | Aftermath::End => return Err(error.into()),
                }
                display.note(&message);
            }
        }
        progress.items += 1;
        keeper.map_or(Ok(()), |keeper| keeper.keep_if_due(session, progress))?;
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
    let mut preparation = Preparation::new(checkpoint, encode_ahead)?;
    let prepare = Box::new(move |image: &Arc<RgbImage>| preparation.prepare(image));
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
        versions: Versions::of_this_program(),
    }
}
