//! Everything else, through an installed ffmpeg that writes PPM images, each with its own size, into a pipe.

mod command;
mod ppm;
mod process;

use std::path::PathBuf;
use std::process::Command;

use super::{Frame, FrameSource, InputOptions, SourceError, SourceOptions, StopSignal};

pub(super) use process::{FfmpegProcess, Output};

/// Starts ffmpeg on a stream that goes on by itself, at `fps` frames a second.
pub(super) fn start_stream(spec: &str, fps: f64, input: &InputOptions) -> Result<FfmpegProcess, SourceError> {
    start(spec, "a live stream", command::of_stream(spec, fps, input))
}

fn start(spec: &str, what: &str, command: Command) -> Result<FfmpegProcess, SourceError> {
    let program = command.get_program().to_string_lossy().into_owned();
    FfmpegProcess::start(command).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            SourceError::NeedsFfmpeg { spec: spec.to_owned(), what: what.to_owned(), program }
        }
        _ => SourceError::Ffmpeg { spec: spec.to_owned(), message: error.to_string() },
    })
}

/// A file that ffmpeg reads from its start to its end.
pub(super) struct FfmpegFile {
    spec: String,
    description: String,
    options: SourceOptions,
    process: Option<FfmpegProcess>,
    stop: StopSignal,
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
        let process = Some(start(spec, what, command::of_file(spec, options, input))?);
        let (description, spec) = (format!("{spec} (through ffmpeg)"), spec.to_owned());
        Ok(Self { spec, description, options, process, stop: stop.clone(), index: 0 })
    }
}

impl FrameSource for FfmpegFile {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let complaint = match self.process.as_mut()?.next(None, &self.stop) {
            Output::Image(image) => {
                let time = self.options.start + self.index as f64 / self.options.fps;
                self.index += 1;
                return Some(Ok(Frame { index: self.index - 1, time, image, name: None }));
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
