//! Writes events as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use prospect_session::Event;

use super::end::TraceEndError;
use super::sink::{TracePosition, TraceSink};
use crate::error::JournalError;
use crate::whole_file::open_in_place;

/// Name of the trace file in a stream's folder.
pub const TRACE_FILE: &str = "trace.jsonl";

/// Writes `trace.jsonl`. The file is created, or cut back to the given position, at the first event. A
/// stream that never begins therefore leaves an older trace unchanged.
#[derive(Debug)]
pub struct TraceWriter {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    written: TracePosition,
    /// Buffer, reused for every event.
    line: Vec<u8>,
}

impl TraceWriter {
    /// The trace in `folder`. The folder is created if it is missing.
    pub fn in_folder(folder: &Path) -> Self {
        Self::at(folder, TracePosition::default())
    }

    /// The trace in `folder`, continued at `position`. Events behind `position` are cut off at the
    /// first event.
    ///
    /// # Errors
    /// The file is missing, is shorter than `position`, or has another checksum up to `position`.
    pub fn continued(folder: &Path, position: TracePosition) -> Result<Self, TraceEndError> {
        let writer = Self::at(folder, position);
        let mut found = TracePosition::default();
        let mut known = File::open(&writer.path)?.take(position.bytes);
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match known.read(&mut bytes)? {
                0 => break,
                read => found.go_on(&bytes[..read]),
            }
        }
        match found {
            found if found == position => Ok(writer),
            TracePosition { bytes, .. } if bytes < position.bytes => {
                Err(TraceEndError::Short { found: bytes, expected: position.bytes })
            }
            TracePosition { bytes, .. } => Err(TraceEndError::Changed { bytes }),
        }
    }

    fn at(folder: &Path, written: TracePosition) -> Self {
        Self { path: folder.join(TRACE_FILE), file: None, written, line: Vec::new() }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an event was recorded. A stream that fails before its first event leaves no trace.
    pub fn has_begun(&self) -> bool {
        self.file.is_some()
    }

    fn open(&self) -> std::io::Result<BufWriter<File>> {
        if self.written.bytes == 0 {
            self.path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            // Always a new file: if a link lies here, the file that it leads to belongs to somebody
            // else.
            match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => return File::create_new(&self.path).map(BufWriter::new),
            }
        }
        let mut file = open_in_place(&self.path)?;
        file.set_len(self.written.bytes)?;
        file.seek(SeekFrom::End(0))?;
        Ok(BufWriter::new(file))
    }

    fn write(&mut self, event: &Event) -> std::io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, event)?;
        self.line.push(b'\n');
        self.written.go_on(&self.line);
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&self.line))
    }

    fn sync(&mut self) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush()?;
        file.get_ref().sync_data()
    }
}

impl TraceSink for TraceWriter {
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        self.write(event).map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush().map_err(|source| JournalError::Write { path: self.path.clone(), source })?;
        match is_at(file.get_ref(), &self.path) {
            true => Ok(()),
            false => Err(JournalError::TakenAway { path: self.path.clone() }),
        }
    }

    fn position(&mut self) -> Result<TracePosition, JournalError> {
        self.sync().map_err(|source| JournalError::Write { path: self.path.clone(), source })?;
        Ok(self.written)
    }
}

/// Whether `path` still leads to the open file. What is written into a deleted file would be lost
/// without an error.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |about: std::fs::Metadata| (about.dev(), about.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(file), Ok(there)) => place(file) == place(there),
        (_, Err(error)) => error.kind() != std::io::ErrorKind::NotFound,
        (Err(_), _) => true,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_not_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, trace) = (folder.path().join("precious"), folder.path().join(TRACE_FILE));
        std::fs::write(&precious, "precious").unwrap();
        std::os::unix::fs::symlink(&precious, &trace).unwrap();
        let event = Event::SourceNote { message: "note".to_owned() };
        let mut writer = TraceWriter::in_folder(folder.path());
        writer.record(&event).unwrap();
        writer.flush().unwrap();
        let position = writer.position().unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
        // A link is not followed when a trace is continued either.
        std::fs::rename(&trace, folder.path().join("moved")).unwrap();
        std::os::unix::fs::symlink("moved", &trace).unwrap();
        let mut writer = TraceWriter::continued(folder.path(), position).unwrap();
        assert!(matches!(writer.record(&event), Err(JournalError::Write { .. })));
        assert_eq!(folder.path().join("moved").metadata().unwrap().len(), position.bytes);
    }
}
