//! What can be wrong with annotations: one line each, with the file, the place and what was expected.

use std::path::{Path, PathBuf};

use super::version::VERSION;
use prospect_foreign::one_line;

/// What can be wrong with an annotation file.
///
/// A place is a path into the JSON (`messages[1].time`, `conversations[0].conversation[3]`) or a line of the table
/// (`line 3: start_ts`); entries count from 0, lines from 1.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON, or its top level has an unknown, missing or mistyped key.
    #[error("{}: not an annotation file: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key or line.
        message: String,
    },
    /// A version this program does not read.
    #[error("{}: version is {version}, expected {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it has.
        version: u64,
    },
    /// A rate that is none.
    #[error("{}: fps is {fps}, expected a number greater than 0", path.display())]
    Fps {
        /// The file.
        path: PathBuf,
        /// The rate.
        fps: f64,
    },
    /// One entry of the JSON has an unknown, missing or mistyped key, or an unknown role.
    #[error("{}: {place}: {message}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry.
        place: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// A time that is negative or infinite.
    #[error("{}: {place} is {value}, expected seconds, at least 0", path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// The time.
        place: String,
        /// Its value.
        value: f64,
    },
    /// An entry that comes before its predecessor.
    #[error("{}: {place} is at {value} s, before the entry ahead of it, expected sorted times", path.display())]
    Unsorted {
        /// The file.
        path: PathBuf,
        /// The entry.
        place: String,
        /// Its time.
        value: f64,
    },
    /// A step or substep that ends before or when it starts, or an action that ends before it starts.
    #[error("{}: {place} is from {start} s to {end} s, expected start < end", path.display())]
    EmptySpan {
        /// The file.
        path: PathBuf,
        /// The entry.
        place: String,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
    /// A step, substep or action without a name.
    #[error("{}: {place} has no name, expected what is done", path.display())]
    EmptyName {
        /// The file.
        path: PathBuf,
        /// The entry.
        place: String,
    },
    /// A table without a single line.
    #[error("{}: the file is empty, expected a header with the columns type, start_ts, end_ts and name", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// A header that lacks a column.
    #[error("{}: line {line}: no column {column}, expected the columns type, start_ts, end_ts and name", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: usize,
        /// What is missing.
        column: &'static str,
    },
    /// A header that names a column twice.
    #[error("{}: line {line}: several columns {column}, expected one", path.display())]
    RepeatedColumn {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: usize,
        /// What is there twice.
        column: &'static str,
    },
    /// A row that is longer or shorter than the header.
    #[error("{}: line {line}: {found} cells, expected {expected} as in the header", path.display())]
    Cells {
        /// The file.
        path: PathBuf,
        /// The row's line.
        line: usize,
        /// Its cells.
        found: usize,
        /// The header's cells.
        expected: usize,
    },
    /// A row of an unknown type.
    #[error("{}: {place}: type is {value:?}, expected STEP, SUBSTEP or ACTION", path.display())]
    Level {
        /// The file.
        path: PathBuf,
        /// The row.
        place: String,
        /// Its type.
        value: String,
    },
    /// A cell that should be a number and is none.
    #[error("{}: line {line}: {column} is {value:?}, expected seconds such as 12.5", path.display())]
    Number {
        /// The file.
        path: PathBuf,
        /// The row's line.
        line: usize,
        /// The cell's column.
        column: &'static str,
        /// What the cell holds.
        value: String,
    },
    /// A message of a ProAssist conversation of which nobody knows when it was said.
    #[error("{}: {place} has no time, expected the key `time`, or `frames` ahead of it", path.display())]
    MissingTime {
        /// The file.
        path: PathBuf,
        /// The message.
        place: String,
    },
    /// Frames in a conversation whose rate is unknown.
    #[error("{}: {place} counts frames, expected the key `fps` at the top", path.display())]
    MissingFps {
        /// The file.
        path: PathBuf,
        /// The frames.
        place: String,
    },
    /// Frames that end before they start.
    #[error("{}: {place} has the frames {start} to {end}, expected start <= end", path.display())]
    Frames {
        /// The file.
        path: PathBuf,
        /// The frames.
        place: String,
        /// The first one.
        start: u64,
        /// The one after the last.
        end: u64,
    },
    /// A ProAssist video without a conversation.
    #[error("{}: {place} is empty, expected at least one conversation", path.display())]
    NoConversation {
        /// The file.
        path: PathBuf,
        /// The list.
        place: String,
    },
    /// A chosen conversation that is not there.
    #[error("{}: no conversation of user_type {wanted:?}, expected one of {found:?}", path.display())]
    UnknownUserType {
        /// The file.
        path: PathBuf,
        /// The chosen type.
        wanted: String,
        /// What is there.
        found: Vec<String>,
    },
    /// A prepared file without the sample that was chosen, or with several, none of them chosen.
    #[error("{}: holds {samples} samples, expected {}", path.display(), line.map_or("one".to_owned(), |line| format!("one in line {line}")))]
    Sample {
        /// The file.
        path: PathBuf,
        /// The chosen line, from 1.
        line: Option<usize>,
        /// Lines with samples.
        samples: usize,
    },
    /// A list of several videos, none of them chosen.
    #[error("{}: holds {videos} videos, expected one, or the choice of a video_uid", path.display())]
    SeveralVideos {
        /// The file.
        path: PathBuf,
        /// How many there are.
        videos: usize,
    },
    /// A chosen video that is not there.
    #[error("{}: no video of the video_uid {wanted:?}, expected one that the file holds", path.display())]
    UnknownVideo {
        /// The file.
        path: PathBuf,
        /// The chosen one.
        wanted: String,
    },
    /// A choice in a file of another format.
    #[error("{}: holds one dialogue, expected a ProAssist file where a video_uid or user_type is chosen", path.display())]
    NothingToChoose {
        /// The file.
        path: PathBuf,
    },
}

impl AnnotationsError {
    pub(super) fn malformed(path: &Path, error: &serde_json::Error) -> Self {
        Self::Malformed { path: path.to_owned(), message: one_line(error) }
    }

    /// An entry that serde refused; an empty place is the top level.
    pub(super) fn entry(path: &Path, place: &str, error: &serde_json::Error) -> Self {
        if place.is_empty() {
            return Self::malformed(path, error);
        }
        Self::Entry { path: path.to_owned(), place: place.to_owned(), message: one_line(error) }
    }
}
