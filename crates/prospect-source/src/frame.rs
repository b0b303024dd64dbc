//! A frame, what is taken of a source, and what a source is.

use std::sync::Arc;

use image::RgbImage;

use crate::error::SourceError;

/// One frame of the stream, after sampling.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Number of the frame in the stream, from 0; a frame that failed keeps its number.
    pub index: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// The picture, upright. Frames that show the same picture share it.
    pub image: Arc<RgbImage>,
    /// File name, where every frame is a file of its own.
    pub name: Option<String>,
}

/// What to take from a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SourceOptions {
    /// Frames per second of stream time; greater than 0.
    pub fps: f64,
    /// First stream time in seconds that is delivered.
    pub start: f64,
    /// Stream time in seconds from which nothing is delivered; `None` = to the end.
    pub end: Option<f64>,
    /// Most frames that are delivered; `None` = all.
    pub max_frames: Option<usize>,
}

impl SourceOptions {
    /// Everything, at `fps` frames per second.
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

/// A stream of frames. An `Err` item is what there is in the place of a frame; [`SourceError::aftermath`] says what follows
/// it, and the caller may go on to the next item. A file gives the same frames each time, numbered from 0.
pub trait FrameSource: Send {
    /// The next frame; `None` at the end.
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>>;

    /// Passes over the first items of a source that has given none yet, as if they had been taken; returns over how many,
    /// fewer where the source ends before.
    fn skip(&mut self, items: usize) -> usize {
        (0..items).take_while(|_| self.next_frame().is_some()).count()
    }

    /// As [`Self::skip`], where none of the items was an error: what lies behind them may be reached without looking at them.
    fn skip_whole(&mut self, items: usize) -> usize {
        self.skip(items)
    }

    /// Frames the whole source will deliver, if that is known.
    fn length(&self) -> Option<usize>;

    /// What is being read, in a few words.
    fn description(&self) -> &str;

    /// Whether it goes on by itself, and its time is the clock's.
    fn is_live(&self) -> bool {
        false
    }
}
