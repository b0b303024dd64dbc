//! Writes events as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::RunError;
use crate::trace::Event;

/// The file's name in the folder of its run.
pub const TRACE_FILE: &str = "trace.jsonl";

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

/// `trace.jsonl` on disk. The file is made with the first event, so that a run that never begins leaves an older one alone.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl TraceWriter {
    /// `trace.jsonl` in `folder`; the folder is made if it is missing.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(TRACE_FILE), file: None }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The trace of a run that failed before it had a first event is none.
    pub fn has_begun(&self) -> bool {
        self.file.is_some()
    }

    fn open(path: &Path) -> std::io::Result<BufWriter<File>> {
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        File::create(path).map(BufWriter::new)
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(Self::open(&self.path)?),
        };
        serde_json::to_writer(&mut *file, event)?;
        file.write_all(b"\n")
    }
}

impl TraceSink for TraceWriter {
    fn record(&mut self, event: &Event) -> Result<(), RunError> {
        self.write(event).map_err(|source| RunError::Write { path: self.path.clone(), source })
    }

    fn flush(&mut self) -> Result<(), RunError> {
        let flushed = self.file.as_mut().map_or(Ok(()), Write::flush);
        flushed.map_err(|source| RunError::Write { path: self.path.clone(), source })
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
