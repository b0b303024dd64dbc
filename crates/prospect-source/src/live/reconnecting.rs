//! A live source that reconnects when it is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::address::{hide_secrets, without_secrets};
use crate::ffmpeg::{self, FfmpegProcess, Output};
use crate::{Clock, Frame, FrameSource, InputOptions, SourceError, StopSignal};

/// A source that gives no frame at its start is refused, unless it is awaited, or its stream has seen frames
/// of it before. A source that has given frames is tried again, with growing waits.
pub(super) struct Reconnecting {
    spec: String,
    description: String,
    fps: f64,
    input: InputOptions,
    clock: Arc<dyn Clock>,
    stop: StopSignal,
    process: Option<FfmpegProcess>,
    /// The time of the last frame. For a source that is known to give frames, the time at which it was
    /// opened, until it gives one.
    last_frame: Option<Instant>,
    outage: Option<Outage>,
    /// The first frame after an outage. The message about the outage comes before it.
    back: Option<RgbImage>,
    finished: bool,
}

/// An outage of the source.
struct Outage {
    /// The reason why the connection ended.
    cause: String,
    attempts: usize,
}

impl Reconnecting {
    pub(super) fn open(
        spec: &str,
        fps: f64,
        input: &InputOptions,
        clock: &Arc<dyn Clock>,
        stop: &StopSignal,
    ) -> Result<Self, SourceError> {
        let is_known = input.is_awaited || input.behind.index > 0;
        Ok(Self {
            spec: spec.to_owned(),
            description: format!("{} (live, through ffmpeg)", without_secrets(spec)),
            fps,
            input: input.clone(),
            clock: Arc::clone(clock),
            stop: stop.clone(),
            process: Some(ffmpeg::start_stream(spec, fps, input)?),
            last_frame: is_known.then(|| clock.now()),
            outage: None,
            back: None,
            finished: false,
        })
    }

    fn frame(image: RgbImage) -> Result<Frame, SourceError> {
        Ok(Frame { index: 0, time: 0.0, image: image.into(), name: None })
    }

    fn without_frame(&self) -> Duration {
        self.last_frame.map_or(Duration::ZERO, |last| self.clock.now().saturating_duration_since(last))
    }

    /// Takes an image. After an outage, the message about the outage comes first.
    fn received(&mut self, image: RgbImage) -> Result<Frame, SourceError> {
        let seconds = self.without_frame().as_secs_f64();
        self.last_frame = Some(self.clock.now());
        let Some(Outage { cause, attempts }) = self.outage.take() else { return Self::frame(image) };
        self.back = Some(image);
        Err(SourceError::Interrupted { spec: without_secrets(&self.spec), cause, seconds, attempts })
    }

    /// Handles the end of a connection. Returns what the source gives then; `None` to try again.
    fn lost(&mut self, cause: Option<String>) -> Option<Option<SourceError>> {
        self.process = None;
        let over = cause.is_none() && ends_by_itself(&self.spec);
        let cause = cause.unwrap_or_else(|| "the stream ended".to_owned());
        let refused = if self.last_frame.is_none() {
            ffmpeg::failed(&self.spec, &cause)
        } else if over && self.outage.is_none() {
            self.finished = true;
            return Some(None);
        } else {
            let seconds = self.without_frame();
            let reconnect = self.input.reconnect;
            let outage = self.outage.get_or_insert(Outage { cause, attempts: 0 });
            let in_time = reconnect.give_up_after.is_none_or(|most| seconds < most);
            if in_time && reconnect.attempts.is_none_or(|most| outage.attempts < most) {
                return None;
            }
            let (cause, attempts) = (outage.cause.clone(), outage.attempts);
            SourceError::Lost {
                spec: without_secrets(&self.spec),
                cause,
                seconds: seconds.as_secs_f64(),
                attempts,
            }
        };
        self.finished = true;
        Some(Some(refused))
    }

    /// Waits for the time of the next attempt, and connects again.
    fn reconnect(&mut self) {
        let Some(outage) = &mut self.outage else { return };
        let until = self.clock.now() + self.input.reconnect.delay(outage.attempts);
        outage.attempts += 1;
        self.clock.wait_until(until, &self.stop);
        if !self.stop.is_stopped() {
            // One that cannot be started now is tried again like one that ends at once.
            self.process = ffmpeg::start_stream(&self.spec, self.fps, &self.input).ok();
        }
    }
}

/// Whether a source may end by itself: a file over http does, a camera does not.
fn ends_by_itself(spec: &str) -> bool {
    spec.starts_with("http://") || spec.starts_with("https://")
}

impl FrameSource for Reconnecting {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if let Some(image) = self.back.take() {
            return Some(Self::frame(image));
        }
        while !self.finished && !self.stop.is_stopped() {
            let cause = match &mut self.process {
                Some(process) => match process.next(Some(self.input.stall_timeout), &self.stop) {
                    Output::Image(image) => return Some(self.received(image)),
                    Output::Stopped => return None,
                    Output::Stalled => {
                        Some(format!("no frame for {} s", self.input.stall_timeout.as_secs_f64()))
                    }
                    Output::Ended(ending) => ending.failure().map(|cause| hide_secrets(&cause, &self.spec)),
                },
                None => Some("ffmpeg does not start".to_owned()),
            };
            if let Some(end) = self.lost(cause) {
                return end.map(Err);
            }
            self.reconnect();
        }
        None
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn is_live(&self) -> bool {
        true
    }
}
