//! Everything else, through an installed ffmpeg that writes PPM images, each with its own size, into a pipe.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use image::RgbImage;

use super::{Frame, FrameSource, SourceError, SourceOptions};

/// A running ffmpeg. It is stopped when this is dropped.
pub(super) struct Ffmpeg {
    spec: String,
    description: String,
    options: SourceOptions,
    child: Child,
    output: BufReader<ChildStdout>,
    complaint: Option<JoinHandle<String>>,
    index: usize,
    finished: bool,
}

impl Ffmpeg {
    pub(super) fn open(spec: &str, what: &str, options: SourceOptions) -> Result<Self, SourceError> {
        let child = command(spec, options).spawn();
        let mut child = child.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                SourceError::NeedsFfmpeg { spec: spec.to_owned(), what: what.to_owned() }
            }
            _ => SourceError::Ffmpeg { spec: spec.to_owned(), message: error.to_string() },
        })?;
        let missing = || SourceError::Ffmpeg { spec: spec.to_owned(), message: "no pipe to it".to_owned() };
        let output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let errors = child.stderr.take().ok_or_else(missing)?;
        let complaint = std::thread::spawn(move || first_line(errors));
        let description = format!("{spec} (through ffmpeg)");
        let (complaint, spec) = (Some(complaint), spec.to_owned());
        Ok(Self { spec, description, options, child, output, complaint, index: 0, finished: false })
    }

    fn finish(&mut self) -> Option<Result<Frame, SourceError>> {
        self.finished = true;
        let status = self.child.wait();
        let complaint = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let failed = !status.is_ok_and(|status| status.success());
        if failed || !complaint.is_empty() {
            let message = if complaint.is_empty() { "ended with a failure".to_owned() } else { complaint };
            return Some(Err(SourceError::Ffmpeg { spec: self.spec.clone(), message }));
        }
        (self.index == 0).then(|| Err(SourceError::NoFrames { path: PathBuf::from(&self.spec) }))
    }
}

/// `fps` with `round=up` puts into each slot the latest frame that is not after it: the rule of the other sources.
fn command(spec: &str, options: SourceOptions) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]);
    if options.start > 0.0 {
        command.args(["-ss", &options.start.to_string()]);
    }
    if let Some(end) = options.end {
        command.args(["-t", &(end - options.start).to_string()]);
    }
    command.arg("-i").arg(spec).args(["-map", "0:v:0", "-an", "-sn"]);
    command.args(["-vf", &format!("fps=fps={}:round=up", options.fps)]);
    if let Some(most) = options.max_frames {
        command.args(["-frames:v", &most.to_string()]);
    }
    command.args(["-f", "image2pipe", "-c:v", "ppm", "-"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Reads everything, so that ffmpeg never waits for a reader, and keeps the first line.
fn first_line(errors: impl Read) -> String {
    let mut first = String::new();
    let mut line = Vec::new();
    let mut reader = BufReader::new(errors);
    while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if first.is_empty() {
            first = String::from_utf8_lossy(&line).trim().to_owned();
        }
        line.clear();
    }
    first
}

/// One binary PPM with 8 bit per channel; `None` at the end of the pipe.
fn read_ppm(input: &mut impl BufRead) -> Result<Option<RgbImage>, String> {
    if input.fill_buf().map_err(|error| error.to_string())?.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::new();
    while fields.len() < 4 {
        let mut line = String::new();
        if input.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
            return Err("its output ends in a header".to_owned());
        }
        fields.extend(line.split_whitespace().map(str::to_owned));
    }
    let size = (fields.get(1).and_then(|w| w.parse().ok()), fields.get(2).and_then(|h| h.parse().ok()));
    let ((Some(width), Some(height)), Some("P6")) = (size, fields.first().map(String::as_str)) else {
        return Err(format!("its output is no PPM image: {}", fields.join(" ")));
    };
    let wanted = u64::from(width) * u64::from(height) * 3;
    let mut pixels = Vec::new();
    input.take(wanted).read_to_end(&mut pixels).map_err(|error| error.to_string())?;
    RgbImage::from_raw(width, height, pixels).map(Some).ok_or_else(|| "its output ends in a frame".to_owned())
}

impl FrameSource for Ffmpeg {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.finished {
            return None;
        }
        match read_ppm(&mut self.output) {
            Ok(Some(image)) => {
                let time = self.options.start + self.index as f64 / self.options.fps;
                self.index += 1;
                Some(Ok(Frame { index: self.index - 1, time, image, name: None }))
            }
            Ok(None) => self.finish(),
            Err(message) => {
                self.finished = true;
                Some(Err(SourceError::Ffmpeg { spec: self.spec.clone(), message }))
            }
        }
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.description
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
