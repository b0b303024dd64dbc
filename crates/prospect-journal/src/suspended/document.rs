//! The file of a suspended stream: tensors in safetensors format, and this document as the file's text.

use std::fmt::{Debug, Formatter};
use std::path::{Path, PathBuf};

use prospect_engine::{Resumption, SuspendedModel, SuspendedParts};
use prospect_model::{StoredTensors, write_tensors};
use prospect_session::SessionMemory;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::SuspendedError;
use crate::error::JournalError;
use crate::trace::TracePosition;
use crate::whole_file::write_whole;

/// Version of the file format. It is raised when a field changes its meaning.
const VERSION: u32 = 3;

/// The document as it is written.
#[derive(Serialize)]
struct Written<'a, P, I> {
    version: u32,
    identity: &'a I,
    progress: &'a P,
    trace: TracePosition,
    session: &'a SessionMemory,
    model: &'a Value,
}

/// The document as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<P, I> {
    #[serde(rename = "version")]
    _version: u32,
    identity: I,
    progress: P,
    trace: TracePosition,
    session: SessionMemory,
    model: Value,
}

/// Writes a stream, between two frames, into the file `path`, which is then complete. `progress` says
/// how far the source had come, `trace` how far the trace had come, and `identity` says which stream it
/// is.
///
/// # Errors
/// [`JournalError::Write`].
pub fn write_suspended<P: Serialize, I: Serialize>(
    path: &Path,
    parts: &SuspendedParts<'_>,
    trace: TracePosition,
    progress: &P,
    identity: &I,
) -> Result<(), JournalError> {
    let SuspendedParts { memory, model: SuspendedModel { description, tensors } } = parts;
    let written =
        Written { version: VERSION, identity, progress, trace, session: memory, model: description };
    write_whole(path, |to| {
        let text = serde_json::to_string(&written)?;
        write_tensors(to, &text, tensors).map_err(std::io::Error::other)
    })
}

/// A suspended stream that was read and checked. `P` is the type of the progress, `I` the type of the
/// identity.
pub struct SuspendedStream<P, I> {
    path: PathBuf,
    document: Read<P, I>,
    tensors: StoredTensors,
}

impl<P: Debug, I> Debug for SuspendedStream<P, I> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { path, document, tensors: _ } = self;
        let mut shown = formatter.debug_struct("SuspendedStream");
        shown.field("path", path).field("progress", &document.progress).finish_non_exhaustive()
    }
}

impl<P: DeserializeOwned, I: DeserializeOwned> SuspendedStream<P, I> {
    /// Parses and checks the bytes of a file. Error messages name `path`.
    ///
    /// # Errors
    /// [`SuspendedError::Damaged`], [`SuspendedError::Version`], [`SuspendedError::Malformed`].
    pub fn parse(bytes: Vec<u8>, path: &Path) -> Result<Self, SuspendedError> {
        let damaged = |problem| {
            let problem = Box::new(problem);
            SuspendedError::Damaged { path: path.to_owned(), problem }
        };
        let malformed = |problem| SuspendedError::Malformed { path: path.to_owned(), problem };
        let tensors = StoredTensors::parse(bytes).map_err(damaged)?;
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version: found } = serde_json::from_str(tensors.text()).map_err(malformed)?;
        if found != VERSION {
            return Err(SuspendedError::Version { path: path.to_owned(), found, expected: VERSION });
        }
        let document = serde_json::from_str(tensors.text()).map_err(malformed)?;
        Ok(Self { path: path.to_owned(), document, tensors })
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// As [`Self::parse`]; [`SuspendedError::Missing`]; [`JournalError::Read`].
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(bytes, path)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(SuspendedError::Missing { path: path.to_owned() }.into())
            }
            Err(source) => Err(JournalError::Read { path: path.to_owned(), source }),
        }
    }
}

impl<P, I> SuspendedStream<P, I> {
    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far the source of the stream had come.
    pub fn progress(&self) -> &P {
        &self.document.progress
    }

    /// What the stream is: the values that must be the same when it resumes.
    pub fn identity(&self) -> &I {
        &self.document.identity
    }

    /// How far the stream's trace had come.
    pub fn trace(&self) -> TracePosition {
        self.document.trace
    }

    /// The state that an engine resumes from.
    pub fn into_resumption(self) -> Resumption {
        let Self { path: _, document: Read { session: memory, model, .. }, tensors } = self;
        Resumption { memory, model, tensors }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prospect_config::Layers;
    use prospect_session::fake::FakeLanguage;
    use prospect_session::registry::Registry;
    use prospect_session::{Guidance, Session, SessionOptions};
    use serde_json::json;

    use super::*;

    /// What the driver of these streams says of them.
    type Suspended = SuspendedStream<usize, String>;

    /// A stream that has seen nothing yet.
    fn memory() -> SessionMemory {
        let settings = Layers::new().resolve().unwrap();
        let rule = Registry::default().overflow_rule(&settings.context).unwrap();
        let options = SessionOptions::new(&settings, Guidance::default());
        Session::new(Arc::new(FakeLanguage { frame_tokens: 8 }), rule, options).unwrap().memory().unwrap()
    }

    #[test]
    fn what_is_written_comes_back_with_what_its_driver_says_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("stream");
        let model = SuspendedModel { description: json!({"said": 3}), tensors: Vec::new() };
        let parts = SuspendedParts { memory: memory(), model };
        let trace = TracePosition { bytes: 7, crc32: 9 };
        write_suspended(&path, &parts, trace, &5_usize, &"camera 1").unwrap();
        let read = Suspended::read(&path).unwrap();
        let said = (read.progress(), read.identity().as_str(), read.trace());
        assert_eq!(said, (&5, "camera 1", trace));
        let resumption = read.into_resumption();
        assert_eq!((resumption.memory, resumption.model), (parts.memory, parts.model.description));
        // Another driver's stream is told apart.
        let other = SuspendedStream::<usize, usize>::read(&path).unwrap_err();
        assert!(matches!(other, JournalError::Suspended(SuspendedError::Malformed { .. })), "{other}");
    }

    #[test]
    fn what_is_no_suspended_stream_is_refused_in_a_line() {
        let of = |text: &str| {
            let mut bytes = Vec::new();
            write_tensors(&mut bytes, text, &[]).unwrap();
            Suspended::parse(bytes, Path::new("stream")).unwrap_err().to_string()
        };
        assert_eq!(
            of("{\"version\":2}"),
            "stream: was written by a program whose checkpoints have version 2: \
             expected a program whose checkpoints have version 3"
        );
        assert!(of("{\"version\":3}").starts_with("stream: it does not tell of a stream: missing field"));
        let damaged = Suspended::parse(vec![0; 20], Path::new("stream")).unwrap_err();
        assert!(matches!(damaged, SuspendedError::Damaged { .. }), "{damaged}");
        let missing = Suspended::read(Path::new("no such stream")).unwrap_err();
        assert!(matches!(missing, JournalError::Suspended(SuspendedError::Missing { .. })), "{missing}");
    }
}
