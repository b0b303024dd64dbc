//! The sources that are not built in, read by an installed ffmpeg. It writes PPM images, each with its own
//! size, into a pipe.

mod command;
mod complaints;
mod ppm;
mod probe;
mod process;

use std::path::PathBuf;
use std::process::Command;

use super::address::{hide_secrets, without_secrets};
use super::sample::TOLERANCE;
use super::{Frame, FrameSource, InputOptions, SourceError, SourceOptions, StopSignal};

pub(super) use command::Opened;
pub(super) use probe::{Probe, ProbeError};
pub(super) use process::{Ending, FfmpegProcess, Output};

/// The seconds by which a complete source may end before its declared duration, because its sound may be
/// longer than its picture.
const SHORT: f64 = 2.0;

/// Starts ffmpeg on a live stream, at `fps` frames per second.
pub(super) fn start_stream(spec: &str, fps: f64, input: &InputOptions) -> Result<FfmpegProcess, SourceError> {
    start(spec, "a live stream", command::of_stream(&Opened::of(spec), fps, input))
}

fn start(spec: &str, what: &str, command: Command) -> Result<FfmpegProcess, SourceError> {
    let program = command.get_program().to_string_lossy().into_owned();
    FfmpegProcess::start(command, spec).map_err(|error| not_started(spec, what, program, &error))
}

fn not_started(spec: &str, what: &str, program: String, error: &std::io::Error) -> SourceError {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            SourceError::NeedsFfmpeg { spec: without_secrets(spec), what: what.to_owned(), program }
        }
        _ => failed(spec, &error.to_string()),
    }
}

/// The error for a message of ffmpeg, which may contain the address of the source.
pub(super) fn failed(spec: &str, message: &str) -> SourceError {
    SourceError::Ffmpeg { spec: without_secrets(spec), message: hide_secrets(message, spec) }
}

/// A file that ffmpeg reads from its start to its end.
pub(super) struct FfmpegFile {
    spec: String,
    description: String,
    options: SourceOptions,
    process: Option<FfmpegProcess>,
    stop: StopSignal,
    /// The first `k` for which a frame is shown at the time `start + k / fps`.
    first_slot: usize,
    index: usize,
    /// The declared end of the source, if the whole source is read.
    duration: Option<f64>,
}

impl FfmpegFile {
    pub(super) fn open(
        spec: &str,
        what: &str,
        options: SourceOptions,
        input: &InputOptions,
        stop: &StopSignal,
    ) -> Result<Self, SourceError> {
        let probe = Probe::of(&Opened::of(spec), input, None, stop);
        if stop.is_stopped() {
            // Nobody wants a frame any more; what was asked for besides is done all the same.
            return Ok(Self::over(spec, options, stop));
        }
        let probe = probe.map_err(|error| match error {
            ProbeError::NotStarted { program, error } => {
                not_started(spec, what, program.display().to_string(), &error)
            }
            ProbeError::NoAnswer => failed(spec, "ffprobe gave no answer"),
            ProbeError::Refused(message) => failed(spec, &message),
            ProbeError::NoVideo => SourceError::NoVideoTrack { path: PathBuf::from(without_secrets(spec)) },
        })?;
        Self::begin(spec, what, options, input, (&probe, stop))
    }

    /// A file that gives no frame.
    fn over(spec: &str, options: SourceOptions, stop: &StopSignal) -> Self {
        let (description, spec) = (format!("{} (through ffmpeg)", without_secrets(spec)), spec.to_owned());
        let (process, stop) = (None, stop.clone());
        Self { spec, description, options, process, stop, first_slot: 0, index: 0, duration: None }
    }

    /// Like [`Self::open`], with properties that are already known.
    pub(super) fn begin(
        spec: &str,
        what: &str,
        options: SourceOptions,
        input: &InputOptions,
        (probe, stop): (&Probe, &StopSignal),
    ) -> Result<Self, SourceError> {
        let first_slot = probe.first_slot(options.start, options.fps);
        let frames = frames_of(options, first_slot);
        let process = match frames {
            Some(0) => None,
            _ => {
                let part = (probe.stream, probe.origin, first_slot, frames);
                Some(start(spec, what, command::of_file(&Opened::of(spec), options, input, part))?)
            }
        };
        // A part that is asked for ends where it was told to.
        let duration = probe.duration.filter(|_| frames.is_none()).map(|duration| probe.origin + duration);
        Ok(Self { process, first_slot, duration, ..Self::over(spec, options, stop) })
    }
}

impl FfmpegFile {
    /// Whether the last frame came long before the declared end of the source.
    fn is_short(&self) -> bool {
        let next = self.options.start + (self.first_slot + self.index) as f64 / self.options.fps;
        self.duration.is_some_and(|end| next + SHORT < end)
    }
}

/// The most frames from a slot on, if there is a limit.
fn frames_of(options: SourceOptions, first_slot: usize) -> Option<usize> {
    let slots = |end: f64| ((end - TOLERANCE - options.start) * options.fps).ceil().max(0.0) as usize;
    let to_end = options.end.map(|end| slots(end).saturating_sub(first_slot));
    to_end.into_iter().chain(options.max_frames).min()
}

impl FrameSource for FfmpegFile {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let ending = match self.process.as_mut()?.next(None, &self.stop) {
            Output::Image(image) => {
                let slot = self.first_slot + self.index;
                let time = self.options.start + slot as f64 / self.options.fps;
                self.index += 1;
                return Some(Ok(Frame { index: self.index - 1, time, image: image.into(), name: None }));
            }
            Output::Stalled | Output::Stopped => return None,
            Output::Ended(ending) => ending,
        };
        self.process = None;
        match ending {
            Ending::Failed(message) => Some(Err(failed(&self.spec, &message))),
            Ending::Whole(complaints)
                if complaints.cut_off() || (self.is_short() && !complaints.is_empty()) =>
            {
                Some(Err(failed(&self.spec, &complaints.first())))
            }
            Ending::Whole(_) if self.index == 0 => {
                Some(Err(SourceError::NoFrames { path: PathBuf::from(without_secrets(&self.spec)) }))
            }
            Ending::Whole(complaints) if complaints.is_empty() => None,
            Ending::Whole(complaints) => Some(Err(SourceError::Complaints {
                spec: without_secrets(&self.spec),
                message: hide_secrets(&complaints.all(), &self.spec),
            })),
        }
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.description
    }
}
