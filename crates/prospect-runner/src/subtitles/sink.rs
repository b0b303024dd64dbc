//! A trace sink that also writes replies as subtitles.

use std::io;
use std::path::PathBuf;

use prospect_journal::{JournalError, TracePosition, TraceSink};
use prospect_session::{Event, Reply, Words};

use super::file::SubtitleFile;

/// Records the events of a run in its trace, and its replies in subtitle files. The files are created
/// at the run's first event, so that a run that never begins leaves older files unchanged.
pub struct Subtitled<'a> {
    trace: &'a mut dyn TraceSink,
    files: &'a mut [SubtitleFile],
    /// Replies before a resumed run; `None` after the files were created.
    earlier: Option<Vec<Reply>>,
}

impl<'a> Subtitled<'a> {
    /// Sends replies to `files`, and all events to `trace`.
    pub fn new(trace: &'a mut dyn TraceSink, files: &'a mut [SubtitleFile], earlier: Vec<Reply>) -> Self {
        Self { trace, files, earlier: Some(earlier) }
    }

    fn write_files(
        &mut self,
        mut write: impl FnMut(&mut SubtitleFile) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        for file in self.files.iter_mut() {
            let path: PathBuf = file.path().to_owned();
            write(file).map_err(|source| JournalError::Write { path, source })?;
        }
        Ok(())
    }
}

impl TraceSink for Subtitled<'_> {
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        self.trace.record(event)?;
        if let Some(earlier) = self.earlier.take() {
            self.write_files(|file| file.begin(&earlier))?;
        }
        match event {
            Event::Reply { frame, time, text, repeats, .. } => {
                let reply = Reply { frame: *frame, time: *time, text: text.clone(), repeats: *repeats };
                self.write_files(|file| file.add(&reply))
            }
            _ => Ok(()),
        }
    }

    fn words(&mut self, words: &Words) {
        self.trace.words(words);
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.trace.flush()
    }

    fn position(&mut self) -> Result<TracePosition, JournalError> {
        self.trace.position()
    }
}
