//! Everything else, through an installed ffmpeg that writes PPM images, each with its own size, into a pipe.

mod beginning;
mod command;
mod ppm;
mod process;

use std::path::PathBuf;
use std::process::Command;

use super::sample::TOLERANCE;
use super::{Frame, FrameSource, InputOptions, SourceError, SourceOptions, StopSignal};

use beginning::Beginning;
pub(super) use process::{FfmpegProcess, Output};

/// Starts ffmpeg on a stream that goes on by itself, at `fps` frames a second.
pub(super) fn start_stream(spec: &str, fps: f64, input: &InputOptions) -> Result<FfmpegProcess, SourceError> {
    start(spec, "a live stream", command::of_stream(spec, fps, input))
}

fn start(spec: &str, what: &str, command: Command) -> Result<FfmpegProcess, SourceError> {
    let program = command.get_program().to_string_lossy().into_owned();
    FfmpegProcess::start(command).map_err(|error| not_started(spec, what, program, &error))
}

fn not_started(spec: &str, what: &str, program: String, error: &std::io::Error) -> SourceError {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            SourceError::NeedsFfmpeg { spec: spec.to_owned(), what: what.to_owned(), program }
        }
        _ => SourceError::Ffmpeg { spec: spec.to_owned(), message: error.to_string() },
    }
}

/// A file that ffmpeg reads from its start to its end.
pub(super) struct FfmpegFile {
    spec: String,
    description: String,
    options: SourceOptions,
    process: Option<FfmpegProcess>,
    stop: StopSignal,
    /// Of the times `start + k / fps`, the first one at which a frame is shown.
    first_slot: usize,
    index: usize,
}

impl FfmpegFile {
    pub(super) fn open(
        spec: &str,
        what: &str,
        options: SourceOptions,
        input: &InputOptions,
        stop: &StopSignal,
    ) -> Result<Self, SourceError> {
        let beginning = Beginning::of_file(spec, input)
            .map_err(|error| not_started(spec, what, input.ffmpeg.display().to_string(), &error))?;
        let first_slot = beginning.first_slot(options.start, options.fps);
        let frames = frames_of(options, first_slot);
        let process = match frames {
            Some(0) => None,
            _ => {
                let part = (beginning.origin, first_slot, frames);
                Some(start(spec, what, command::of_file(spec, options, input, part))?)
            }
        };
        let (description, spec) = (format!("{spec} (through ffmpeg)"), spec.to_owned());
        Ok(Self { spec, description, options, process, stop: stop.clone(), first_slot, index: 0 })
    }
}

/// Most frames from a slot on, if there is a limit.
fn frames_of(options: SourceOptions, first_slot: usize) -> Option<usize> {
    let slots = |end: f64| ((end - TOLERANCE - options.start) * options.fps).ceil().max(0.0) as usize;
    let to_end = options.end.map(|end| slots(end).saturating_sub(first_slot));
    to_end.into_iter().chain(options.max_frames).min()
}

impl FrameSource for FfmpegFile {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let complaint = match self.process.as_mut()?.next(None, &self.stop) {
            Output::Image(image) => {
                let slot = self.first_slot + self.index;
                let time = self.options.start + slot as f64 / self.options.fps;
                self.index += 1;
                return Some(Ok(Frame { index: self.index - 1, time, image: image.into(), name: None }));
            }
            Output::Stalled | Output::Stopped => return None,
            Output::Ended(complaint) => complaint,
        };
        self.process = None;
        match complaint {
            Some(message) => Some(Err(SourceError::Ffmpeg { spec: self.spec.clone(), message })),
            None if self.index == 0 => Some(Err(SourceError::NoFrames { path: PathBuf::from(&self.spec) })),
            None => None,
        }
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.description
    }
}
