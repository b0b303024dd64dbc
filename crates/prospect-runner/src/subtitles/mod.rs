//! Replies as subtitles, in files that any player shows with the video: SubRip (`.srt`) and WebVTT
//! (`.vtt`).
//!
//! A cue lasts from its reply's time until the next reply, but no longer than a person needs to read
//! it: one second per 15 characters, at least 2 s and at most 30 s. Times are those of the trace:
//! seconds of the video, or for a live stream seconds since its first frame.
//!
//! The files are written during the run ([`Subtitled`]) and are valid after every reply, so that
//! players can open the files of a killed run. A resumed run writes the cues of earlier replies again.

mod cue;
mod file;
mod format;
mod sink;

pub use cue::Cue;
pub use file::SubtitleFile;
pub use format::SubtitleFormat;
pub use sink::Subtitled;
