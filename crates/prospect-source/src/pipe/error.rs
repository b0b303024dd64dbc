//! The errors of byte streams.

use crate::TooLarge;

/// A byte stream is not a stream of frames, or stops being one. The frames before the damage were delivered.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The bytes could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The stream begins with something else.
    #[error(
        "begins with {found}, expected JPEG or PNG images one after the other, or raw frames as YUV4MPEG2 (y4m)"
    )]
    Unknown {
        /// The first bytes.
        found: String,
    },
    /// The stream ends in the middle of a frame.
    #[error("ends in the middle of frame {frame}")]
    CutOff {
        /// The number of the frame, counted from 0.
        frame: usize,
    },
    /// There is something else at the place where an image should begin.
    #[error("frame {frame} begins with {found}, expected a JPEG or PNG image")]
    NotAnImage {
        /// The number of the frame, counted from 0.
        frame: usize,
        /// The first bytes found there.
        found: String,
    },
    /// The parts of a JPEG do not follow one another.
    #[error("frame {frame} is a JPEG with {found} where a marker was expected")]
    JpegMarker {
        /// The number of the frame, counted from 0.
        frame: usize,
        /// The bytes found there.
        found: String,
    },
    /// An image has no end within the limit.
    #[error("frame {frame} has more than {most} bytes")]
    LongImage {
        /// The number of the frame, counted from 0.
        frame: usize,
        /// The most bytes that are read.
        most: usize,
    },
    /// A line of a y4m header has no end within the limit.
    #[error("the y4m header has no line break in its first {most} bytes")]
    LongHeader {
        /// The most bytes that are read.
        most: usize,
    },
    /// A y4m header lacks a required field.
    #[error("the y4m header has no {field}")]
    MissingField {
        /// `W` (width), `H` (height) or `F` (frame rate).
        field: char,
    },
    /// A y4m header declares too many pixels.
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    /// A field of the y4m header has a value that is not accepted.
    #[error("the y4m header says {field}, expected {expected}")]
    Field {
        /// The field as it is written.
        field: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// There is something else at the place where a y4m frame should begin.
    #[error("frame {frame} begins with {found}, expected FRAME")]
    NotAFrame {
        /// The number of the frame, counted from 0.
        frame: usize,
        /// The first bytes found there.
        found: String,
    },
}
