//! Reads a trace from its file.

use std::path::{Path, PathBuf};

use prospect_foreign::one_line;
use prospect_session::{Event, SCHEMA_VERSION};

/// An error of a trace file.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A line is not an event.
    #[error("{}: line {line}: {message}: expected an event of a trace", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with the line.
        message: String,
    },
    /// The first line is not the first event of a trace.
    #[error("{}: line 1: expected run_started", path.display())]
    NoStart {
        /// The file.
        path: PathBuf,
    },
    /// The trace has a version that this program cannot read.
    #[error("{}: schema_version is {version}, expected {SCHEMA_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version of the trace.
        version: u32,
    },
}

/// All events of a trace, in order. A last line that is incomplete, because the run was killed while it
/// wrote, is left out.
///
/// # Errors
/// One variant of [`TraceError`] for each way in which the file is not a trace.
pub fn read_trace(path: &Path) -> Result<Vec<Event>, TraceError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TraceError::Unreadable { path: path.to_owned(), source })?;
    check_version(&text, path)?;
    let mut events = Vec::new();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line.trim_end()) {
            Ok(event) => events.push(event),
            Err(_) if !line.ends_with('\n') => break,
            Err(error) => {
                let (path, message) = (path.to_owned(), one_line(error));
                return Err(TraceError::Malformed { path, line: number + 1, message });
            }
        }
    }
    Ok(events)
}

/// Checks the version before the events are read, because the events of another version may be different.
fn check_version(text: &str, path: &Path) -> Result<(), TraceError> {
    #[derive(serde::Deserialize)]
    struct Start {
        event: String,
        schema_version: u32,
    }
    let first = text.lines().next().and_then(|line| serde_json::from_str::<Start>(line).ok());
    match first {
        Some(start) if start.event == "run_started" && start.schema_version == SCHEMA_VERSION => Ok(()),
        Some(start) if start.event == "run_started" => {
            Err(TraceError::Version { path: path.to_owned(), version: start.schema_version })
        }
        _ => Err(TraceError::NoStart { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = r#"{"event":"run_started","schema_version":2,"config":{},"model":"m","source":"s","device":"cpu","threads":1,"dtype":"f32","strategy":"none","kv_bytes_per_token":4,"versions":{"prospect":"0"}}"#;
    const MESSAGE: &str = r#"{"event":"message","role":"user","text":"hi","time":0.5}"#;

    fn read(text: &str) -> Result<Vec<Event>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace.jsonl");
        std::fs::write(&path, text).unwrap();
        read_trace(&path)
            .map_err(|error| error.to_string().replace(&path.display().to_string(), "trace.jsonl"))
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_out() {
        assert_eq!(read(&format!("{STARTED}\n{MESSAGE}\n{{\"event\":\"mess")).unwrap().len(), 2);
        // Whole, only its line break is missing.
        assert_eq!(read(&format!("{STARTED}\n{MESSAGE}")).unwrap().len(), 2);
    }

    #[test]
    fn every_malformation_names_its_place() {
        let complaint = |text: &str| read(text).unwrap_err();
        let cut = complaint(&format!("{STARTED}\n{{\"event\":\"mess\n{MESSAGE}\n"));
        assert!(cut.starts_with("trace.jsonl: line 2: EOF") && cut.ends_with("an event of a trace"), "{cut}");
        assert!(
            complaint(&format!("{STARTED}\n{{\"event\":\"dance\"}}\n"))
                .contains("line 2: unknown variant `dance`")
        );
        // What fuzzing found: serde repeats the name, line break and all.
        let broken = complaint(&format!("{STARTED}\n{{\"event\":\"dan\\nce\"}}\n"));
        assert!(broken.contains("line 2: unknown variant `dan ce`"), "{broken}");
        assert_eq!(complaint(MESSAGE), "trace.jsonl: line 1: expected run_started");
        assert_eq!(complaint(""), "trace.jsonl: line 1: expected run_started");
        let newer = STARTED.replace("\"schema_version\":2", "\"schema_version\":99");
        assert_eq!(complaint(&newer), "trace.jsonl: schema_version is 99, expected 2");
        let missing = read_trace(Path::new("/nowhere/trace.jsonl")).unwrap_err();
        assert!(matches!(missing, TraceError::Unreadable { .. }));
    }
}
