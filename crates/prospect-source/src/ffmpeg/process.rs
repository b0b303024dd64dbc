//! A running ffmpeg that writes images into a pipe.

use std::io::BufReader;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::complaints::Complaints;
use super::ppm::read_ppm;
use crate::StopSignal;

/// The interval at which a wait checks whether it should continue.
const POLL: Duration = Duration::from_millis(50);
/// The time that a program may take to end after it has closed its output.
const EXIT_PATIENCE: Duration = Duration::from_secs(2);

/// The result of waiting for an image.
pub(crate) enum Output {
    Image(RgbImage),
    /// There was no image within the given time.
    Stalled,
    /// The program ended.
    Ended(Ending),
    /// The caller stopped.
    Stopped,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Successfully, with the errors that it reported.
    Whole(Complaints),
    /// With a failure, in one line.
    Failed(String),
}

impl Ending {
    /// The reason why it ended early, if it did.
    pub(crate) fn failure(self) -> Option<String> {
        match self {
            Self::Failed(message) => Some(message),
            Self::Whole(_) => None,
        }
    }
}

/// A running ffmpeg, which is stopped when this is dropped. Two threads read its pipes and end when the pipes
/// are closed.
pub(crate) struct FfmpegProcess {
    child: Child,
    images: Receiver<Result<RgbImage, String>>,
    complaints: Receiver<Complaints>,
}

impl FfmpegProcess {
    /// Starts the program. No secret of the source's `address` in its messages is kept.
    pub(crate) fn start(mut command: Command, address: &str) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for us: the run closes its trace, and then stops ffmpeg.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let no_pipe = || std::io::Error::other("no pipe to it");
        let output = child.stdout.take().ok_or_else(no_pipe)?;
        let errors = child.stderr.take().ok_or_else(no_pipe)?;
        let (sender, images) = sync_channel(1);
        let threads = || std::thread::Builder::new().name("ffmpeg".to_owned());
        threads().spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(image) = read_ppm(&mut output).transpose() {
                let damaged = image.is_err();
                if sender.send(image).is_err() || damaged {
                    return;
                }
            }
        })?;
        let (sender, complaints) = sync_channel(1);
        let address = address.to_owned();
        threads().spawn(move || sender.send(Complaints::read(errors, &address)))?;
        Ok(Self { child, images, complaints })
    }

    /// The next image. Waits for it at most as long as `patience`.
    pub(crate) fn next(&mut self, patience: Option<Duration>, stop: &StopSignal) -> Output {
        let started = Instant::now();
        loop {
            match self.images.recv_timeout(POLL) {
                Ok(Ok(image)) => return Output::Image(image),
                Ok(Err(damage)) => return Output::Ended(Ending::Failed(damage)),
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

    fn ending(&mut self) -> Ending {
        let closed = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if closed.elapsed() < EXIT_PATIENCE => std::thread::sleep(Duration::from_millis(1)),
                _ => break None,
            }
        };
        let complaints = self.complaints.recv_timeout(EXIT_PATIENCE).unwrap_or_default();
        match status {
            Some(status) if status.success() => Ending::Whole(complaints),
            _ if complaints.is_empty() => Ending::Failed("ended with a failure".to_owned()),
            _ => Ending::Failed(complaints.first()),
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
