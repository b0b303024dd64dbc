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

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
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

/// Takes events down twice: in a trace, and as JSON lines on something that is read while the run goes on.
pub struct Tee<'a, W: Write> {
    trace: &'a mut dyn TraceSink,
    lines: W,
}

impl<'a, W: Write> Tee<'a, W> {
    /// Events go to `trace`, and to `lines` as far as somebody reads there.
    pub fn new(trace: &'a mut dyn TraceSink, lines: W) -> Self {
        Self { trace, lines }
    }
}

impl<W: Write> TraceSink for Tee<'_, W> {
    fn record(&mut self, event: &Event) -> Result<(), RunError> {
        // Events always serialise, and a reader that went away is no reason to stop the run.
        let _ = writeln!(self.lines, "{}", serde_json::to_string(event).unwrap_or_default());
        self.trace.record(event)
    }

    fn flush(&mut self) -> Result<(), RunError> {
        let _ = self.lines.flush();
        self.trace.flush()
    }
}
