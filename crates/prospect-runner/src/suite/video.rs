//! One video of a suite.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use prospect_config::Settings;
use prospect_evaluation::annotations::Choice;

/// A video, and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// Its name in tables and folders, unique within a suite.
    pub name: String,
    /// File or folder of images.
    pub source: PathBuf,
    /// Path of its annotations.
    pub annotations: PathBuf,
    /// Selects one of several dialogues in that file.
    pub choice: Choice,
    /// Path of the file with its steps, if they are not in the annotations.
    pub states: Option<PathBuf>,
    /// The part of the video that belongs to the sample, in seconds.
    pub part: Option<Range<f64>>,
}

impl Video {
    /// The settings of a run over this video: the sample's part of the video, within the part that the
    /// settings select.
    pub(super) fn settings<'a>(&self, settings: &'a Settings) -> Cow<'a, Settings> {
        let Some(Range { start, end }) = self.part else { return Cow::Borrowed(settings) };
        let mut settings = settings.clone();
        let stream = &mut settings.stream;
        stream.start = Some(stream.start.unwrap_or(0.0).max(start));
        stream.end = Some(stream.end.unwrap_or(f64::INFINITY).min(end));
        Cow::Owned(settings)
    }
}
