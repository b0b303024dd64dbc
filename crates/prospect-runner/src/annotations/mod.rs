//! What is known about a video beforehand: system prompt, task knowledge, user requests, reference replies, substeps.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Version of the format that is read.
pub const VERSION: u64 = 1;

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Instructions.
    System,
    /// The person in the video.
    User,
    /// A reference reply.
    Assistant,
}

/// One message of the dialogue.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Stream time in seconds.
    pub time: f64,
    /// Who says it.
    pub role: Speaker,
    /// What is said.
    pub text: String,
}

/// A step of the task with the time it takes, `start <= t < end` in seconds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substep {
    /// Its name.
    pub name: String,
    /// First second.
    pub start: f64,
    /// Second at which it is over.
    pub end: f64,
}

/// A checked annotation file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    /// Frames per second the annotations were made for.
    pub fps: Option<f64>,
    /// System prompt of the dialogue.
    pub system_prompt: Option<String>,
    /// What the assistant knows about the task.
    pub task_knowledge: Option<String>,
    /// All messages, sorted by time.
    pub messages: Vec<Message>,
    /// All substeps, sorted by start.
    pub substeps: Vec<Substep>,
}

/// What can be wrong with an annotation file.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationsError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not JSON, or its top level has an unknown, missing or mistyped key.
    #[error("{}: not an annotation file: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the key or line.
        message: String,
    },
    /// A version this program does not read.
    #[error("{}: version is {version}, expected {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it has.
        version: u64,
    },
    /// A rate that is none.
    #[error("{}: fps is {fps}, expected a number greater than 0", path.display())]
    Fps {
        /// The file.
        path: PathBuf,
        /// The rate.
        fps: f64,
    },
    /// One entry has an unknown, missing or mistyped key, or an unknown role.
    #[error("{}: {list}[{index}]: {message}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// `messages` or `substeps`.
        list: &'static str,
        /// Number of the entry, from 0.
        index: usize,
        /// What is wrong, and what was expected.
        message: String,
    },
    /// A time that is negative.
    #[error("{}: {list}[{index}].{key} is {value}, expected seconds, at least 0", path.display())]
    Time {
        /// The file.
        path: PathBuf,
        /// `messages` or `substeps`.
        list: &'static str,
        /// Number of the entry, from 0.
        index: usize,
        /// The key.
        key: &'static str,
        /// Its value.
        value: f64,
    },
    /// An entry that comes before its predecessor.
    #[error("{}: {list}[{index}] is at {value} s, before the entry ahead of it, expected sorted times", path.display())]
    Unsorted {
        /// The file.
        path: PathBuf,
        /// `messages` or `substeps`.
        list: &'static str,
        /// Number of the entry, from 0.
        index: usize,
        /// Its time.
        value: f64,
    },
    /// A substep that ends before it starts.
    #[error("{}: substeps[{index}] is from {start} s to {end} s, expected start < end", path.display())]
    EmptySubstep {
        /// The file.
        path: PathBuf,
        /// Number of the substep, from 0.
        index: usize,
        /// Its start.
        start: f64,
        /// Its end.
        end: f64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    version: u64,
    fps: Option<f64>,
    system_prompt: Option<String>,
    task_knowledge: Option<String>,
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    substeps: Vec<Value>,
}

impl Annotations {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One variant of [`AnnotationsError`] for each way in which the file is not an annotation file.
    pub fn from_file(path: &Path) -> Result<Self, AnnotationsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| AnnotationsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Checks the text of a file; `path` is what errors name.
    ///
    /// # Errors
    /// As [`Annotations::from_file`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, AnnotationsError> {
        let malformed = |error: serde_json::Error| AnnotationsError::Malformed {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let raw: Raw = serde_json::from_str(text).map_err(malformed)?;
        if raw.version != VERSION {
            return Err(AnnotationsError::Version { path: path.to_owned(), version: raw.version });
        }
        if let Some(fps) = raw.fps.filter(|fps| *fps <= 0.0) {
            return Err(AnnotationsError::Fps { path: path.to_owned(), fps });
        }
        let messages: Vec<Message> = entries(raw.messages, "messages", path)?;
        let substeps: Vec<Substep> = entries(raw.substeps, "substeps", path)?;
        check_times(messages.iter().map(|message| message.time), "messages", "time", path)?;
        check_times(substeps.iter().map(|substep| substep.start), "substeps", "start", path)?;
        if let Some(index) = substeps.iter().position(|substep| substep.start >= substep.end) {
            let Substep { start, end, .. } = substeps[index];
            return Err(AnnotationsError::EmptySubstep { path: path.to_owned(), index, start, end });
        }
        let Raw { fps, system_prompt, task_knowledge, .. } = raw;
        Ok(Self { fps, system_prompt, task_knowledge, messages, substeps })
    }

    /// The file `<video>.json` beside a video (`kitchen.json` for `kitchen.mp4`), if there is one.
    pub fn beside(video: &Path) -> Option<PathBuf> {
        let file = video.with_extension("json");
        file.is_file().then_some(file)
    }

    /// The reference replies, in order.
    pub fn references(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role == Speaker::Assistant)
    }

    /// What the user says, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role == Speaker::User)
    }

    /// The substep at a time in seconds; where several overlap, the one that started last.
    pub fn substep(&self, time: f64) -> Option<&Substep> {
        self.substeps.iter().rev().find(|substep| substep.start <= time && time < substep.end)
    }
}

fn entries<T: DeserializeOwned>(
    values: Vec<Value>,
    list: &'static str,
    path: &Path,
) -> Result<Vec<T>, AnnotationsError> {
    let entry = |(index, value)| {
        serde_json::from_value(value).map_err(|error| AnnotationsError::Entry {
            path: path.to_owned(),
            list,
            index,
            message: error.to_string(),
        })
    };
    values.into_iter().enumerate().map(entry).collect()
}

fn check_times(
    times: impl Iterator<Item = f64>,
    list: &'static str,
    key: &'static str,
    path: &Path,
) -> Result<(), AnnotationsError> {
    let mut before = 0.0;
    for (index, value) in times.enumerate() {
        if value < 0.0 {
            return Err(AnnotationsError::Time { path: path.to_owned(), list, index, key, value });
        }
        if value < before {
            return Err(AnnotationsError::Unsorted { path: path.to_owned(), list, index, value });
        }
        before = value;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"version":1,"fps":2.0,"system_prompt":"Help.","task_knowledge":null,
        "messages":[{"time":0,"role":"user","text":"hi"},{"time":1.5,"role":"assistant","text":"Stir."},
                    {"time":3,"role":"user","text":"next?"}],
        "substeps":[{"name":"stir","start":0,"end":2},{"name":"pour","start":2,"end":4}]}"#;

    fn parse(text: &str) -> Result<Annotations, AnnotationsError> {
        Annotations::parse(text, Path::new("a.json"))
    }

    fn complaint(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with("a.json: ") && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn lookups() {
        let annotations = parse(GOOD).unwrap();
        assert_eq!(annotations.references().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["Stir."]);
        assert_eq!(annotations.requests().map(|m| m.text.as_str()).collect::<Vec<_>>(), ["hi", "next?"]);
        assert_eq!(annotations.substep(1.99).unwrap().name, "stir");
        assert_eq!(annotations.substep(2.0).unwrap().name, "pour");
        assert_eq!(annotations.substep(4.0), None);
    }

    #[test]
    fn every_malformation_names_its_place() {
        assert!(complaint("\"version\":1", "\"version\":2").contains("version is 2, expected 1"));
        assert!(complaint("\"fps\":2.0", "\"fps\":0").contains("fps is 0"));
        assert!(complaint("\"fps\"", "\"rate\"").contains("unknown field `rate`"));
        assert!(complaint("\"version\":1,", "").contains("missing field `version`"));
        assert!(complaint("assistant", "robot").contains("messages[1]: unknown variant `robot`"));
        assert!(
            complaint("\"name\":\"pour\"", "\"title\":\"pour\"")
                .contains("substeps[1]: unknown field `title`")
        );
        assert!(complaint("\"time\":0", "\"time\":-1").contains("messages[0].time is -1"));
        assert!(complaint("\"time\":3", "\"time\":1").contains("messages[2] is at 1 s"));
        assert!(complaint("\"end\":2", "\"end\":0").contains("substeps[0] is from 0 s to 0 s"));
        assert!(complaint("]}", "").contains("not an annotation file"));
    }

    proptest! {
        #[test]
        fn damaged_files_are_refused_in_one_line(at in 0..GOOD.len(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = GOOD.as_bytes().to_vec();
            bytes[at] = byte;
            bytes.truncate(if cut { at } else { bytes.len() });
            if let Err(error) = parse(&String::from_utf8_lossy(&bytes)) {
                let line = error.to_string();
                prop_assert!(line.starts_with("a.json: ") && !line.contains('\n'), "{}", line);
            }
        }
    }

    #[test]
    fn the_file_beside_a_video() {
        let folder = tempfile::tempdir().unwrap();
        let video = folder.path().join("a.mp4");
        assert_eq!(Annotations::beside(&video), None);
        std::fs::write(folder.path().join("a.json"), GOOD).unwrap();
        let beside = Annotations::beside(&video).unwrap();
        assert_eq!(Annotations::from_file(&beside).unwrap().substeps.len(), 2);
        let missing = Annotations::from_file(&folder.path().join("b.json")).unwrap_err();
        assert!(matches!(missing, AnnotationsError::Unreadable { .. }));
    }
}
