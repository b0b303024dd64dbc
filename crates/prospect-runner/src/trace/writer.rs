//! Writes events as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::trace::Event;

/// Takes the events of a run as they happen.
pub trait TraceSink {
    /// Takes one event.
    fn record(&mut self, event: &Event) -> Result<(), RunError>;
    /// Makes everything so far readable to others.
    fn flush(&mut self) -> Result<(), RunError>;
}

impl TraceSink for Vec<Event> {
    fn record(&mut self, event: &Event) -> Result<(), RunError> {
        self.push(event.clone());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), RunError> {
        Ok(())
    }
}

/// `trace.jsonl` on disk.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    file: BufWriter<File>,
}

impl TraceWriter {
    /// Creates `trace.jsonl` in `folder`, and the folder if it is missing.
    pub fn create(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join("trace.jsonl");
        let file = std::fs::create_dir_all(folder).and_then(|()| File::create(&path));
        match file {
            Ok(file) => Ok(Self { path, file: BufWriter::new(file) }),
            Err(source) => Err(RunError::Write { path, source }),
        }
    }

    fn failed(&self, source: std::io::Error) -> RunError {
        RunError::Write { path: self.path.clone(), source }
    }
}

impl TraceSink for TraceWriter {
    fn record(&mut self, event: &Event) -> Result<(), RunError> {
        serde_json::to_writer(&mut self.file, event).map_err(|error| self.failed(error.into()))?;
        self.file.write_all(b"\n").map_err(|error| self.failed(error))
    }

    fn flush(&mut self) -> Result<(), RunError> {
        self.file.flush().map_err(|error| self.failed(error))
    }
}
