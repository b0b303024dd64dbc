//! What can be wrong with a stream of bytes.

use crate::TooLarge;

/// A stream that is no stream of frames, or stops being one. The frames before the damage were delivered.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The bytes could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It begins with something else.
    #[error(
        "begins with {found}, expected JPEG or PNG images one after the other, or raw frames as YUV4MPEG2 (y4m)"
    )]
    Unknown {
        /// The first bytes.
        found: String,
    },
    /// It ends in the middle of a frame.
    #[error("ends in the middle of frame {frame}")]
    CutOff {
        /// Number of the frame, from 0.
        frame: usize,
    },
    /// Something else where an image should begin.
    #[error("frame {frame} begins with {found}, expected a JPEG or PNG image")]
    NotAnImage {
        /// Number of the frame, from 0.
        frame: usize,
        /// Its first bytes.
        found: String,
    },
    /// A JPEG whose parts do not follow one another.
    #[error("frame {frame} is a JPEG with {found} where a marker was expected")]
    JpegMarker {
        /// Number of the frame, from 0.
        frame: usize,
        /// What stands there.
        found: String,
    },
    /// An image without an end.
    #[error("frame {frame} has more than {most} bytes")]
    LongImage {
        /// Number of the frame, from 0.
        frame: usize,
        /// What is read at most.
        most: usize,
    },
    /// A y4m header line without an end.
    #[error("the y4m header has no line break in its first {most} bytes")]
    LongHeader {
        /// What is read at most.
        most: usize,
    },
    /// A y4m header without one of the fields that every stream needs.
    #[error("the y4m header has no {field}")]
    MissingField {
        /// `W` (width), `H` (height) or `F` (frame rate).
        field: char,
    },
    /// A y4m header that asks for more pixels than are read.
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    /// A field of the y4m header that does not say what it should.
    #[error("the y4m header says {field}, expected {expected}")]
    Field {
        /// The field as written.
        field: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// Something else where a y4m frame should begin.
    #[error("frame {frame} begins with {found}, expected FRAME")]
    NotAFrame {
        /// Number of the frame, from 0.
        frame: usize,
        /// Its first bytes.
        found: String,
    },
}
