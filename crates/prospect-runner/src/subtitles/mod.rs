//! Replies as subtitles, in files that any player shows over the video: SubRip (`.srt`) and WebVTT (`.vtt`).
//!
//! A cue stands from its reply's time until the next reply, or for as long as a person needs to read it: a second for every 15
//! letters, at least 2 s and at most 30 s. Times are those of the trace: seconds of the video, or of a live stream since its first
//! frame.
//!
//! The files are written while the run goes on ([`Subtitled`]) and are valid after every reply, so that a run that is killed leaves
//! files that players open. A run that is resumed writes the cues of the replies that its checkpoint knows again.

mod cue;
mod file;
mod format;
mod sink;

pub use cue::Cue;
pub use file::SubtitleFile;
pub use format::SubtitleFormat;
pub use sink::Subtitled;
