//! One video from its source to a closed trace.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prospect_config::{FramePolicy, OnCorruptFrame, Settings};

use crate::annotations::Annotations;
use crate::checkpoint::Checkpoint;
use crate::display::Display;
use crate::error::RunError;
use crate::session::{Outcome, Reply, RunStatistics, Session, SessionOptions, close_failed};
use crate::smolvlm::SmolVlmStream;
use crate::source::delivery::{Delivered, Delivery, DeliveryPolicy, Next, Pace};
use crate::source::{self, Aftermath, InputOptions, Reconnect, SourceOptions, StopSignal};
use crate::strategies::Registry;
use crate::stream_model::StreamModel;
use crate::trace::{Event, SCHEMA_VERSION, TraceSink, Versions};

/// Set by Ctrl-C; a run looks at it before each frame.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How often a run that waits for a frame looks for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);

/// Frames that are decoded while the model works, where the source waits for it.
const READ_AHEAD: usize = 2;

/// Streams `source` through a checkpoint as `settings`, fitted to it ([`Checkpoint::fit`]), say, into `trace` and onto `display`. `annotations` are those of
/// [`annotations_of`].
///
/// # Errors
/// The source, or whatever ends the stream; the trace is closed in every case.
pub fn run(
    settings: &Settings,
    strategies: &Registry,
    checkpoint: &Checkpoint,
    source: &str,
    annotations: Option<&Annotations>,
    trace: &mut dyn TraceSink,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    let rule = strategies.context_rule(&settings.context)?;
    let options = SessionOptions::new(settings, annotations);
    let mut frames = deliver(settings, source)?;
    let mut model = SmolVlmStream::new(
        checkpoint,
        options.max_seq_len,
        rule.positions(),
        settings.stream.not_talk_threshold,
        settings.generation.sampling,
    )?;
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
    let outcome = stream(&mut session, &mut frames, settings.stream.on_corrupt_frame, display);
    display.end(outcome.as_ref().ok());
    outcome
}

/// Feeds every frame; closes the trace whatever happens.
///
/// # Errors
/// [`RunError::Interrupted`] after Ctrl-C, or the first failure that ends the run.
pub fn stream<M: StreamModel>(
    session: &mut Session<'_, M>,
    frames: &mut Delivery,
    on_corrupt_frame: OnCorruptFrame,
    display: &mut dyn Display,
) -> Result<Outcome, RunError> {
    match feed(session, frames, on_corrupt_frame, display) {
        Ok((replies, span)) => Ok(Outcome { statistics: session.finish()?, replies, span }),
        Err(error) => {
            session.fail(&error)?;
            Err(error)
        }
    }
}

/// Every reply, and the stream time of the first and the last frame.
fn feed<M: StreamModel>(
    session: &mut Session<'_, M>,
    frames: &mut Delivery,
    on_corrupt_frame: OnCorruptFrame,
    display: &mut dyn Display,
) -> Result<(Vec<Reply>, (f64, f64)), RunError> {
    let (mut replies, mut span) = (Vec::new(), None);
    loop {
        let next = frames.next(PATIENCE);
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(RunError::Interrupted);
        }
        match next {
            Next::NotYet => {}
            Next::End => break,
            Next::Item(Delivered::Dropped(frame)) => session.skip_frame(frame)?,
            Next::Item(Delivered::Frame(frame, arrival, queued)) => {
                if let Some(arrival) = arrival {
                    session.arrived(arrival, queued);
                }
                let reply = session.frame(&frame)?;
                span = Some((span.map_or(frame.time, |(first, _)| first), frame.time));
                display.frame(&frame, reply.as_ref());
                replies.extend(reply);
            }
            Next::Item(Delivered::Failed(error)) => {
                let message = error.to_string();
                match error.aftermath() {
                    Aftermath::NextFrame if on_corrupt_frame == OnCorruptFrame::Skip => {
                        session.lose_frame(&message)?;
                    }
                    Aftermath::Resumed => session.source_interrupted(&message)?,
                    Aftermath::NextFrame | Aftermath::End => return Err(error.into()),
                }
                display.note(&message);
            }
        }
    }
    let nothing = || RunError::NoFrames { source_name: frames.description().to_owned() };
    Ok((replies, span.ok_or_else(nothing)?))
}

/// The annotations that the settings name, or those beside the video.
///
/// # Errors
/// The file cannot be read or is malformed.
pub fn annotations_of(settings: &Settings, source: &str) -> Result<Option<Annotations>, RunError> {
    let named = settings.evaluation.annotations.clone();
    let path: Option<PathBuf> = named.or_else(|| Annotations::beside(source.as_ref()));
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
    }
}

/// Opens a source and begins to read it.
fn deliver(settings: &Settings, source: &str) -> Result<Delivery, RunError> {
    let stop = StopSignal::default();
    let frames = source::open_with(source, source_options(settings), &input_options(settings), &stop)?;
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
    Ok(Delivery::start(frames, policy, pace, interval, stop))
}

fn started(settings: &Settings, checkpoint: &Checkpoint, source: &str, strategy: &str) -> Event {
    Event::RunStarted {
        schema_version: SCHEMA_VERSION,
        config: serde_json::to_value(settings).unwrap_or_default(),
        model: checkpoint.name.clone(),
        commit: checkpoint.commit.clone(),
        source: source.to_owned(),
        device: "cpu".to_owned(),
        threads: prospect_model::threads(),
        dtype: checkpoint.model.precisions().to_string(),
        strategy: strategy.to_owned(),
        kv_bytes_per_token: checkpoint.model.kv_bytes_per_token(),
        versions: Versions::of_this_program(),
    }
}
