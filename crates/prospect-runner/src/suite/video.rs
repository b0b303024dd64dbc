//! One video of a suite.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use prospect_config::Settings;
use prospect_evaluation::annotations::Choice;

/// A video with what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// What it is called in tables and folders; no two videos of a suite have the same.
    pub name: String,
    /// File or folder of images.
    pub source: PathBuf,
    /// Its annotations.
    pub annotations: PathBuf,
    /// Which of several dialogues in that file.
    pub choice: Choice,
    /// Where its steps stand, if not in that file.
    pub states: Option<PathBuf>,
    /// The part of it that belongs to the sample, in seconds.
    pub part: Option<Range<f64>>,
}

impl Video {
    /// The settings of a run over it: within the settings' part of every video, its own.
    pub(super) fn settings<'a>(&self, settings: &'a Settings) -> Cow<'a, Settings> {
        let Some(Range { start, end }) = self.part else { return Cow::Borrowed(settings) };
        let mut settings = settings.clone();
        let stream = &mut settings.stream;
        stream.start = Some(stream.start.unwrap_or(0.0).max(start));
        stream.end = Some(stream.end.unwrap_or(f64::INFINITY).min(end));
        Cow::Owned(settings)
    }
}
