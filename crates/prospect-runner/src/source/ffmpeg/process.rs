//! A running ffmpeg that writes images into a pipe.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::ppm::read_ppm;
use crate::source::StopSignal;

/// How often a wait looks whether it should go on.
const POLL: Duration = Duration::from_millis(50);
/// How long a program that has closed its output may take to end.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_COMPLAINT: u64 = 500;

/// What came of waiting for an image.
pub(crate) enum Output {
    Image(RgbImage),
    /// Nothing in the time that was given.
    Stalled,
    /// It ended; with what it complained of, if it did.
    Ended(Option<String>),
    /// Nobody wants an image any more.
    Stopped,
}

/// It is stopped when this is dropped. Two threads read its pipes and end when these are closed.
pub(crate) struct FfmpegProcess {
    child: Child,
    images: Receiver<Result<RgbImage, String>>,
    complaint: Receiver<String>,
}

impl FfmpegProcess {
    pub(crate) fn start(mut command: Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for us: the run closes its trace, and then stops ffmpeg.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let no_pipe = || std::io::Error::other("no pipe to it");
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        let errors = child.stderr.take().ok_or_else(no_pipe)?;
        let (sender, images) = sync_channel(1);
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(image) = read_ppm(&mut output).transpose() {
                let damaged = image.is_err();
                if sender.send(image).is_err() || damaged {
                    return;
                }
            }
        });
        let (sender, complaint) = sync_channel(1);
        std::thread::spawn(move || sender.send(first_line(errors)));
        Ok(Self { child, images, complaint })
    }

    /// The next image; waits for it as long as `patience` says.
    pub(crate) fn next(&mut self, patience: Option<Duration>, stop: &StopSignal) -> Output {
        let started = Instant::now();
        loop {
            match self.images.recv_timeout(POLL) {
                Ok(Ok(image)) => return Output::Image(image),
                Ok(Err(damage)) => return Output::Ended(Some(damage)),
                Err(RecvTimeoutError::Disconnected) => return Output::Ended(self.ending()),
                Err(RecvTimeoutError::Timeout) if stop.is_stopped() => return Output::Stopped,
                Err(RecvTimeoutError::Timeout) => {
                    if patience.is_some_and(|patience| started.elapsed() >= patience) {
                        return Output::Stalled;
                    }
                }
            }
        }
    }

    fn ending(&mut self) -> Option<String> {
        let closed = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if closed.elapsed() < EXIT_PATIENCE => std::thread::sleep(Duration::from_millis(1)),
                _ => break None,
            }
        };
        let complaint = self.complaint.recv_timeout(EXIT_PATIENCE).unwrap_or_default();
        match (complaint.is_empty(), status) {
            (false, _) => Some(complaint),
            (true, Some(status)) if status.success() => None,
            (true, _) => Some("ended with a failure".to_owned()),
        }
    }
}

impl Drop for FfmpegProcess {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads everything, so that ffmpeg never waits for a reader, and keeps the first line.
fn first_line(errors: impl Read) -> String {
    let mut first = String::new();
    let mut line = Vec::new();
    let mut reader = BufReader::new(errors);
    while reader.by_ref().take(LONGEST_COMPLAINT).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if first.is_empty() {
            first = String::from_utf8_lossy(&line).trim().to_owned();
        }
        line.clear();
    }
    first
}
