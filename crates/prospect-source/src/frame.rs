//! Frames, the options of a source, and the trait of a source.

use std::sync::Arc;

use image::RgbImage;

use crate::error::SourceError;

/// One frame of the stream, after sampling.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The number of the frame in the stream, counted from 0. A frame that failed keeps its number.
    pub index: usize,
    /// The stream time in seconds.
    pub time: f64,
    /// The picture, upright. Frames that show the same picture share it.
    pub image: Arc<RgbImage>,
    /// The file name, if every frame is a separate file.
    pub name: Option<String>,
}

/// The part of a source that is delivered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceOptions {
    /// The frames per second of stream time, greater than 0.
    pub fps: f64,
    /// The stream time in seconds at which the delivery begins.
    pub start: f64,
    /// The stream time in seconds from which on nothing is delivered; `None` means the end of the source.
    pub end: Option<f64>,
    /// The most frames that are delivered; `None` means all.
    pub max_frames: Option<usize>,
}

impl SourceOptions {
    /// The whole source, at `fps` frames per second.
    pub fn at(fps: f64) -> Self {
        Self { fps, start: 0.0, end: None, max_frames: None }
    }

    pub(crate) fn check(&self) -> Result<(), SourceError> {
        let wrong = |name, value, expected| Err(SourceError::Option { name, value, expected });
        if !(self.fps.is_finite() && self.fps > 0.0) {
            return wrong("fps", self.fps, "a finite number greater than 0");
        }
        if !(self.start.is_finite() && self.start >= 0.0) {
            return wrong("start", self.start, "a finite number of seconds, at least 0");
        }
        match self.end {
            Some(end) if !(end.is_finite() && end > self.start) => {
                wrong("end", end, "a finite number of seconds greater than start")
            }
            _ => Ok(()),
        }
    }
}

/// A stream of frames. An `Err` item comes in the place of a frame. [`SourceError::aftermath`] says what
/// follows it, and the caller may ask for the next item. A file gives the same frames each time, with numbers
/// from 0.
pub trait FrameSource: Send {
    /// The next frame; `None` at the end.
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>>;

    /// Skips the first items of a source that has given none yet, as if they had been taken. Returns the
    /// number of skipped items, which is smaller if the source ends before.
    fn skip(&mut self, items: usize) -> usize {
        (0..items).take_while(|_| self.next_frame().is_some()).count()
    }

    /// Like [`Self::skip`], for items that are known to contain no error. A source may then reach the items
    /// behind them without reading them.
    fn skip_whole(&mut self, items: usize) -> usize {
        self.skip(items)
    }

    /// The number of frames that the whole source will deliver, if it is known.
    fn length(&self) -> Option<usize>;

    /// A short description of the source.
    fn description(&self) -> &str;

    /// Whether the source is live: it does not wait for its reader, and its times come from the clock.
    fn is_live(&self) -> bool {
        false
    }
}
