//! A trace whose replies are written as subtitles too.

use std::io;
use std::path::PathBuf;

use prospect_journal::{JournalError, TracePosition, TraceSink};
use prospect_session::{Event, Reply, Words};

use super::file::SubtitleFile;

/// Takes the events of a run down in its trace, and its replies in files of subtitles as well. The files are made with the run's first
/// event, so that a run that never begins leaves older ones alone.
pub struct Subtitled<'a> {
    trace: &'a mut dyn TraceSink,
    files: &'a mut [SubtitleFile],
    /// What was said before, by a run that goes on; `None` once the files have begun.
    earlier: Option<Vec<Reply>>,
}

impl<'a> Subtitled<'a> {
    /// Replies go to `files`, everything to `trace`.
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
