//! What can be wrong with a source.

use std::path::{Path, PathBuf};

use crate::left_out::LeftOut;
use crate::pipe::PipeError;
use crate::size::TooLarge;

/// What an error says of the frames that follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// One frame is lost, the source goes on.
    NextFrame,
    /// No frame is lost that the source had; it was away and is back.
    Resumed,
    /// No frame is lost; it is said, and the source goes on or ends as it would.
    Note,
    /// None follows.
    End,
}

/// A source that cannot be opened, or one frame of it that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing lies at the path.
    #[error("{}: no such file or folder", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// The file or folder is there and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The glob pattern is not one.
    #[error("{pattern:?}: not a glob pattern: {message}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// A folder or glob without an image.
    #[error("{spec}: no images found, expected PNG, JPEG, BMP, GIF or WebP files{left_out}")]
    NoImages {
        /// The folder or pattern.
        spec: String,
        /// What is there beside.
        left_out: LeftOut,
    },
    /// One image that does not decode. The source goes on with the next one.
    #[error("{}: not a readable image: {message}", path.display())]
    CorruptImage {
        /// The image file.
        path: PathBuf,
        /// What the decoder said.
        message: String,
    },
    /// An image, or frames, of more pixels than are read.
    #[error("{}: {source}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        source: TooLarge,
    },
    /// An image or video frame without a pixel.
    #[error("{}: image is {width}x{height}, expected at least 1x1", path.display())]
    ZeroSize {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// An Arrow file, in a program without the feature that reads them.
    #[error("{}: frames in an Arrow stream: expected a program built with --features arrow", path.display())]
    NeedsArrow {
        /// The file.
        path: PathBuf,
    },
    /// A file that is no Arrow stream.
    #[error("{}: not a readable Arrow IPC stream: {message}", path.display())]
    NotArrow {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        message: String,
    },
    /// An Arrow stream without pictures.
    #[error(
        "{}: the columns are {found}: expected frame or image, of text (base64) or bytes",
        path.display()
    )]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The columns with their types.
        found: String,
    },
    /// One row that is no picture. The source goes on with the next one.
    #[error("{}: row {row}: not a readable image: {message}", path.display())]
    CorruptRow {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// What is wrong with it.
        message: String,
    },
    /// An Arrow stream that is damaged or cut off behind its first batch; the rows before have been delivered.
    #[error("{}: the stream breaks off after {rows} rows: {message}", path.display())]
    ArrowEnds {
        /// The file.
        path: PathBuf,
        /// Rows before.
        rows: usize,
        /// What the reader said.
        message: String,
    },
    /// An mp4 file that ends before its index.
    #[error("{}: mp4 without a complete moov box: the file is cut off or was never finished", path.display())]
    NoIndex {
        /// The file.
        path: PathBuf,
    },
    /// An mp4 file whose tables claim more than can be.
    #[error("{}: an index of {samples} samples in a file of {bytes} bytes, expected a byte each at least", path.display())]
    TooManySamples {
        /// The file.
        path: PathBuf,
        /// Samples of all its tracks, by its tables.
        samples: u64,
        /// The file's size.
        bytes: u64,
    },
    /// A container with audio or text only.
    #[error("{}: no video track, expected one", path.display())]
    NoVideoTrack {
        /// The file.
        path: PathBuf,
    },
    /// A video track without a frame.
    #[error("{}: the video has no frames", path.display())]
    NoFrames {
        /// The file.
        path: PathBuf,
    },
    /// The file ends in the middle of a frame; the frames before it were delivered.
    #[error("{}: cut off at video frame {sample} of {samples}: it ends at byte {end}, the file has {bytes}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// First frame (in decoding order) that is not complete.
        sample: usize,
        /// Frames the index lists.
        samples: usize,
        /// Byte where that frame should end.
        end: u64,
        /// Bytes in the file.
        bytes: u64,
    },
    /// One video frame that does not decode. The source goes on with the next one.
    #[error("{}: video frame {sample} does not decode: {message}", path.display())]
    CorruptFrame {
        /// The file.
        path: PathBuf,
        /// The frame in decoding order.
        sample: usize,
        /// What the decoder said.
        message: String,
    },
    /// A format that needs ffmpeg, and there is none.
    #[error(
        "{spec}: {what} needs ffmpeg, and {program:?} is not installed; built in are mp4 with H.264, y4m, animated GIF and WebP, \
         folders and globs of PNG, JPEG, BMP, GIF and WebP images"
    )]
    NeedsFfmpeg {
        /// The source as given.
        spec: String,
        /// The format, in words.
        what: String,
        /// The program that was looked for.
        program: String,
    },
    /// ffmpeg ran and failed.
    #[error("{spec}: ffmpeg: {message}")]
    Ffmpeg {
        /// The source as given.
        spec: String,
        /// Its first line of complaint.
        message: String,
    },
    /// ffmpeg gave every frame, and complained of some: what it could not decode it has filled in.
    #[error("{spec}: ffmpeg gave all frames, and complained: {message}")]
    Complaints {
        /// The source as given.
        spec: String,
        /// The first complaint of each kind.
        message: String,
    },
    /// A live source was lost and is back; the source goes on.
    #[error("{spec}: back after {seconds:.1} s ({attempts} tries): {cause}")]
    Interrupted {
        /// The source as given.
        spec: String,
        /// What ended the connection.
        cause: String,
        /// Time without a frame.
        seconds: f64,
        /// Tries that it took.
        attempts: usize,
    },
    /// A live source was lost and did not come back.
    #[error("{spec}: lost: {cause}: no frame for {seconds:.1} s ({attempts} tries)")]
    Lost {
        /// The source as given.
        spec: String,
        /// What ended the connection.
        cause: String,
        /// Time without a frame.
        seconds: f64,
        /// Tries in vain.
        attempts: usize,
    },
    /// A stream of bytes that is none of frames.
    #[error("{name}: {source}")]
    Pipe {
        /// What is read.
        name: String,
        /// What is wrong with it.
        source: PipeError,
    },
    /// A setting of the sampling that makes no sense.
    #[error("source option {name} is {value}, expected {expected}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What is accepted.
        expected: &'static str,
    },
}

impl SourceError {
    /// What follows, where it came in the place of a frame.
    pub fn aftermath(&self) -> Aftermath {
        match self {
            Self::CorruptImage { .. }
            | Self::ZeroSize { .. }
            | Self::TooLarge { .. }
            | Self::CorruptFrame { .. }
            | Self::CorruptRow { .. }
            | Self::Unreadable { .. } => Aftermath::NextFrame,
            Self::Interrupted { .. } => Aftermath::Resumed,
            Self::Complaints { .. } => Aftermath::Note,
            Self::NotFound { .. }
            | Self::Pattern { .. }
            | Self::NoImages { .. }
            | Self::NeedsArrow { .. }
            | Self::NotArrow { .. }
            | Self::NoColumn { .. }
            | Self::ArrowEnds { .. }
            | Self::NoIndex { .. }
            | Self::TooManySamples { .. }
            | Self::NoVideoTrack { .. }
            | Self::NoFrames { .. }
            | Self::Truncated { .. }
            | Self::NeedsFfmpeg { .. }
            | Self::Ffmpeg { .. }
            | Self::Lost { .. }
            | Self::Pipe { .. }
            | Self::Option { .. } => Aftermath::End,
        }
    }
}

impl TooLarge {
    /// Of the picture, or the pictures, at `path`.
    pub(crate) fn at(self, path: &Path) -> SourceError {
        SourceError::TooLarge { path: path.to_owned(), source: self }
    }
}
