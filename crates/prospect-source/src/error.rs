//! The errors of sources.

use std::path::{Path, PathBuf};

use crate::left_out::LeftOut;
use crate::pipe::PipeError;
use crate::size::TooLarge;

/// What follows an error of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// One frame is lost. The source continues.
    NextFrame,
    /// The source was lost and has been reached again. No frame that it gave is lost.
    Resumed,
    /// The error is a note. No frame is lost, and the source continues or ends as it would without it.
    Note,
    /// No frame follows.
    End,
}

/// A source cannot be opened, or one of its frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is nothing at the path.
    #[error("{}: no such file or folder", path.display())]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The file or folder exists and cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The glob pattern is not valid.
    #[error("{pattern:?}: not a glob pattern: {message}")]
    Pattern {
        /// The pattern as it was given.
        pattern: String,
        /// What is wrong with it.
        message: String,
    },
    /// A folder or glob has no image.
    #[error("{spec}: no images found, expected PNG, JPEG, BMP, GIF or WebP files{left_out}")]
    NoImages {
        /// The folder or pattern.
        spec: String,
        /// The files that are not images.
        left_out: LeftOut,
    },
    /// An image does not decode. The source continues with the next one.
    #[error("{}: not a readable image: {message}", path.display())]
    CorruptImage {
        /// The image file.
        path: PathBuf,
        /// The message of the decoder.
        message: String,
    },
    /// An image or a frame has too many pixels.
    #[error("{}: {source}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size.
        source: TooLarge,
    },
    /// An image or video frame has no pixel.
    #[error("{}: image is {width}x{height}, expected at least 1x1", path.display())]
    ZeroSize {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The file is an Arrow file, but the program was built without the feature that reads them.
    #[error("{}: frames in an Arrow stream: expected a program built with --features arrow", path.display())]
    NeedsArrow {
        /// The file.
        path: PathBuf,
    },
    /// The file is not an Arrow stream.
    #[error("{}: not a readable Arrow IPC stream: {message}", path.display())]
    NotArrow {
        /// The file.
        path: PathBuf,
        /// The message of the reader.
        message: String,
    },
    /// The Arrow stream has no column of pictures.
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
        /// The message of the reader.
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
    /// The video track has no frame.
    #[error("{}: the video has no frames", path.display())]
    NoFrames {
        /// The file.
        path: PathBuf,
    },
    /// The file ends in the middle of a frame. The frames before it were delivered.
    #[error("{}: cut off at video frame {sample} of {samples}: it ends at byte {end}, the file has {bytes}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The first frame (in decoding order) that is not complete.
        sample: usize,
        /// The number of frames in the index.
        samples: usize,
        /// The byte at which that frame should end.
        end: u64,
        /// The number of bytes in the file.
        bytes: u64,
    },
    /// A video frame does not decode. The source continues with the next one.
    #[error("{}: video frame {sample} does not decode: {message}", path.display())]
    CorruptFrame {
        /// The file.
        path: PathBuf,
        /// The number of the frame in decoding order.
        sample: usize,
        /// The message of the decoder.
        message: String,
    },
    /// The format needs ffmpeg, which is not installed.
    #[error(
        "{spec}: {what} needs ffmpeg, and {program:?} is not installed; built in are mp4 with H.264, y4m, animated GIF and WebP, \
         folders and globs of PNG, JPEG, BMP, GIF and WebP images"
    )]
    NeedsFfmpeg {
        /// The source as it was given.
        spec: String,
        /// The format, in words.
        what: String,
        /// The program that was searched for.
        program: String,
    },
    /// ffmpeg ran and failed.
    #[error("{spec}: ffmpeg: {message}")]
    Ffmpeg {
        /// The source as it was given.
        spec: String,
        /// The first error line of ffmpeg.
        message: String,
    },
    /// ffmpeg gave every frame and reported errors. It has filled in what it could not decode.
    #[error("{spec}: ffmpeg gave all frames, and complained: {message}")]
    Complaints {
        /// The source as it was given.
        spec: String,
        /// The first error of each kind.
        message: String,
    },
    /// A live source was lost and has been reached again. The source continues.
    #[error("{spec}: back after {seconds:.1} s ({attempts} tries): {cause}")]
    Interrupted {
        /// The source as it was given.
        spec: String,
        /// The reason why the connection ended.
        cause: String,
        /// The time without a frame, in seconds.
        seconds: f64,
        /// The number of attempts.
        attempts: usize,
    },
    /// A live source was lost and could not be reached again.
    #[error("{spec}: lost: {cause}: no frame for {seconds:.1} s ({attempts} tries)")]
    Lost {
        /// The source as it was given.
        spec: String,
        /// The reason why the connection ended.
        cause: String,
        /// The time without a frame, in seconds.
        seconds: f64,
        /// The number of attempts that failed.
        attempts: usize,
    },
    /// A stream of bytes is not a stream of frames.
    #[error("{name}: {source}")]
    Pipe {
        /// The name of the stream.
        name: String,
        /// What is wrong with it.
        source: PipeError,
    },
    /// An option of the sampling is not valid.
    #[error("source option {name} is {value}, expected {expected}")]
    Option {
        /// The name of the option.
        name: &'static str,
        /// The value of the option.
        value: f64,
        /// What is accepted.
        expected: &'static str,
    },
}

impl SourceError {
    /// What follows this error, if it came in the place of a frame.
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
    /// The error of a source for the picture or pictures at `path`.
    pub(crate) fn at(self, path: &Path) -> SourceError {
        SourceError::TooLarge { path: path.to_owned(), source: self }
    }
}
