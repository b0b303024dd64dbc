//! The source of the frames according to the settings: which frames, how the source is opened, and how
//! frames are prepared.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;
use prospect_config::{EncodeAhead, FramePolicy, Settings};
use prospect_engine::{Picture, Preparation, PreparedPicture};
use prospect_source::delivery::{Delivery, DeliveryPolicy, Pace};
use prospect_source::{Behind, FrameSource, InputOptions, Reconnect, SourceOptions, StopSignal};

use super::progress::Progress;
use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::suspend::SuspendError;

/// Number of frames that are decoded ahead, if the source waits for the model.
const READ_AHEAD: usize = 2;

/// A picture prepared for the model. A failure is reported at the frame's turn.
pub type Prepared<P> = Result<Picture<P>, RunError>;

pub(crate) fn source_options(settings: &Settings) -> SourceOptions {
    let stream = &settings.stream;
    SourceOptions {
        fps: stream.fps,
        start: stream.start.unwrap_or(0.0),
        end: stream.end,
        max_frames: stream.max_frames,
    }
}

/// How the settings open a source.
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
        is_awaited: false,
        behind: Behind::default(),
    }
}

/// Opens the source of the settings.
pub(super) fn open(
    settings: &Settings,
    source: &str,
    behind: Behind,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, RunError> {
    open_by(settings, source, InputOptions { behind, ..input_options(settings) }, stop)
}

/// Opens the same source with other options.
pub(crate) fn open_by(
    settings: &Settings,
    source: &str,
    input: InputOptions,
    stop: &StopSignal,
) -> Result<Box<dyn FrameSource>, RunError> {
    Ok(prospect_source::open_with(source, source_options(settings), &input, stop)?)
}

/// The number of frames that a file or folder will deliver, if it says so before it is read. `None` for
/// every other source, and for one that cannot be opened: the run reports that.
pub(crate) fn frames_in_file(settings: &Settings, source: &str, interrupt: &Interrupt) -> Option<usize> {
    // A camera or a FIFO must be opened once only.
    std::fs::metadata(source).ok().filter(|about| about.is_file() || about.is_dir())?;
    open(settings, source, Behind::default(), &interrupt.stop_signal()).ok()?.length()
}

/// Begins to read a source, which ends at the signal `stop`.
pub(super) fn deliver(
    settings: &Settings,
    checkpoint: &Checkpoint,
    frames: Box<dyn FrameSource>,
    stop: StopSignal,
) -> Result<Delivery<Prepared<PreparedPicture>>, RunError> {
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
    // For very slow streams the deadline is limited to a week.
    let interval = Duration::from_secs_f64((1.0 / settings.stream.fps).min(604_800.0));
    // Frames that may be dropped are not encoded ahead of their turn.
    let encode_ahead = match policy {
        DeliveryPolicy::Block(_) => settings.model.encode_ahead,
        DeliveryPolicy::Newest(_) => EncodeAhead::Off,
    };
    let mut preparation = Preparation::new(&checkpoint.model, &checkpoint.processor, encode_ahead)?;
    let prepare = Box::new(move |image: &Arc<RgbImage>| Ok(preparation.prepare(image)?));
    Ok(Delivery::start(frames, prepare, policy, pace, interval, stop)?)
}

/// Skips the frames that the stream has already processed. A live source continues by itself.
pub(super) fn skip(
    frames: &mut dyn FrameSource,
    progress: &Progress,
    fps: f64,
    path: PathBuf,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    if frames.is_live() {
        return Ok(());
    }
    let items = progress.items;
    let found = match progress.is_whole(fps) {
        true => frames.skip_whole(items),
        false => frames.skip(items),
    };
    match found < items {
        // A source that was told to end has not become shorter.
        true if interrupt.is_given() => Err(RunError::Interrupted),
        true => Err(SuspendError::SourceEnded { path, items, found }.into()),
        false => Ok(()),
    }
}
