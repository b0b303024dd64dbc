//! The errors of annotation files. Each is one line with the file, the place and what was expected.

use std::path::{Path, PathBuf};

use super::version::VERSION;
use prospect_foreign::one_line;

/// An error of an annotation file.
///
/// A place is a path into the JSON (`messages[1].time`, `conversations[0].conversation[3]`) or a line of the
/// table (`line 3: start_ts`). Entries count from 0, lines from 1.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
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
    /// The file has a version that this program cannot read.
    #[error("{}: version is {version}, expected {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        version: u64,
    },
    /// The frame rate is not a number above 0.
    #[error("{}: fps is {fps}, expected a number greater than 0", path.display())]
    Fps {
        /// The file.
        path: PathBuf,
        /// The frame rate.
        fps: f64,
    },
    /// One entry of the JSON has an unknown, missing or mistyped key, or an unknown role.
    #[error("{}: {place}: {message}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The place of the entry.
        place: String,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// A time is negative or infinite.
    #[error("{}: {place} is {value}, expected seconds, at least 0", path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// The place of the time.
        place: String,
        /// The value of the time.
        value: f64,
    },
    /// The time of an entry is before that of the entry before it.
    #[error("{}: {place} is at {value} s, before the entry ahead of it, expected sorted times", path.display())]
    Unsorted {
        /// The file.
        path: PathBuf,
        /// The place of the entry.
        place: String,
        /// The time of the entry.
        value: f64,
    },
    /// A step or substep ends before or when it starts, or an action ends before it starts.
    #[error("{}: {place} is from {start} s to {end} s, expected start < end", path.display())]
    EmptySpan {
        /// The file.
        path: PathBuf,
        /// The place of the entry.
        place: String,
        /// The start of the entry.
        start: f64,
        /// The end of the entry.
        end: f64,
    },
    /// A step, substep or action has no name.
    #[error("{}: {place} has no name, expected what is done", path.display())]
    EmptyName {
        /// The file.
        path: PathBuf,
        /// The place of the entry.
        place: String,
    },
    /// The table has no line.
    #[error("{}: the file is empty, expected a header with the columns type, start_ts, end_ts and name", path.display())]
    NoHeader {
        /// The file.
        path: PathBuf,
    },
    /// The header lacks a column.
    #[error("{}: line {line}: no column {column}, expected the columns type, start_ts, end_ts and name", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The line of the header.
        line: usize,
        /// The name of the missing column.
        column: &'static str,
    },
    /// The header has a column twice.
    #[error("{}: line {line}: several columns {column}, expected one", path.display())]
    RepeatedColumn {
        /// The file.
        path: PathBuf,
        /// The line of the header.
        line: usize,
        /// The name of the column.
        column: &'static str,
    },
    /// A row has more or fewer cells than the header.
    #[error("{}: line {line}: {found} cells, expected {expected} as in the header", path.display())]
    Cells {
        /// The file.
        path: PathBuf,
        /// The line of the row.
        line: usize,
        /// The number of its cells.
        found: usize,
        /// The number of cells in the header.
        expected: usize,
    },
    /// A row has an unknown type.
    #[error("{}: {place}: type is {value:?}, expected STEP, SUBSTEP or ACTION", path.display())]
    Level {
        /// The file.
        path: PathBuf,
        /// The place of the row.
        place: String,
        /// The type of the row.
        value: String,
    },
    /// A cell should be a number and is not.
    #[error("{}: line {line}: {column} is {value:?}, expected seconds such as 12.5", path.display())]
    Number {
        /// The file.
        path: PathBuf,
        /// The line of the row.
        line: usize,
        /// The column of the cell.
        column: &'static str,
        /// The content of the cell.
        value: String,
    },
    /// A message of a ProAssist conversation has no time, and none follows from the frames before it.
    #[error("{}: {place} has no time, expected the key `time`, or `frames` ahead of it", path.display())]
    MissingTime {
        /// The file.
        path: PathBuf,
        /// The place of the message.
        place: String,
    },
    /// A conversation has frames, but their rate is unknown.
    #[error("{}: {place} counts frames, expected the key `fps` at the top", path.display())]
    MissingFps {
        /// The file.
        path: PathBuf,
        /// The place of the frames.
        place: String,
    },
    /// Frames end before they start.
    #[error("{}: {place} has the frames {start} to {end}, expected start <= end", path.display())]
    Frames {
        /// The file.
        path: PathBuf,
        /// The place of the frames.
        place: String,
        /// The first frame.
        start: u64,
        /// The frame after the last one.
        end: u64,
    },
    /// A ProAssist video has no conversation.
    #[error("{}: {place} is empty, expected at least one conversation", path.display())]
    NoConversation {
        /// The file.
        path: PathBuf,
        /// The place of the list.
        place: String,
    },
    /// The chosen conversation does not exist.
    #[error("{}: no conversation of user_type {wanted:?}, expected one of {found:?}", path.display())]
    UnknownUserType {
        /// The file.
        path: PathBuf,
        /// The chosen type.
        wanted: String,
        /// The types that exist.
        found: Vec<String>,
    },
    /// A prepared file does not have the chosen sample, or has several and none was chosen.
    #[error("{}: holds {samples} samples, expected {}", path.display(), line.map_or("one".to_owned(), |line| format!("one in line {line}")))]
    Sample {
        /// The file.
        path: PathBuf,
        /// The chosen line, counted from 1.
        line: Option<usize>,
        /// The number of lines with samples.
        samples: usize,
    },
    /// The list has several videos, and none was chosen.
    #[error("{}: holds {videos} videos, expected one, or the choice of a video_uid", path.display())]
    SeveralVideos {
        /// The file.
        path: PathBuf,
        /// The number of videos.
        videos: usize,
    },
    /// The chosen video does not exist.
    #[error("{}: no video of the video_uid {wanted:?}, expected one that the file holds", path.display())]
    UnknownVideo {
        /// The file.
        path: PathBuf,
        /// The chosen video.
        wanted: String,
    },
    /// A video or conversation was chosen in a file of another format.
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

    /// The error for an entry that serde refused. An empty place means the top level.
    pub(super) fn entry(path: &Path, place: &str, error: &serde_json::Error) -> Self {
        if place.is_empty() {
            return Self::malformed(path, error);
        }
        Self::Entry { path: path.to_owned(), place: place.to_owned(), message: one_line(error) }
    }
}
