//! What is known about a video beforehand: system prompt, task knowledge, user requests, reference replies, substeps.
//!
//! Three formats are read and written; [`Annotations::from_file`] tells them apart. All times are seconds of the video's
//! own clock, finite and at least 0. A byte order mark and CRLF line ends do no harm.
//!
//! # Our format (JSON)
//! One object. An unknown key is an error, at every depth.
//!
//! | key | type | default | meaning |
//! |---|---|---|---|
//! | `version` | number | required | version of the format: [`VERSION`] |
//! | `fps` | number > 0, or null | null | frames per second the annotations were made for |
//! | `system_prompt` | text, or null | null | system prompt; a setting `stream.system_prompt` wins over it |
//! | `task_knowledge` | text, or null | null | what the assistant knows about the task |
//! | `messages` | list | empty | the dialogue, sorted by `time` |
//! | `steps` | list | empty | the coarse level of the task, sorted by `start` |
//! | `substeps` | list | `steps` | the level a run works with, sorted by `start` |
//! | `actions` | list | empty | the fine level, sorted by `start` |
//!
//! A message has `time` (seconds), `role` (`system`, `user` or `assistant`) and `text`. What the user says goes into the
//! stream at its time; what the assistant says is a reference reply. An entry of `steps`, `substeps` and `actions` has
//! `name` (not blank), `start` and `end` (seconds); it is under way while `start <= t < end`. Only an action may be an
//! instant, `start = end`. Entries may overlap.
//!
//! ```json
//! {
//!   "version": 1,
//!   "fps": 2.0,
//!   "system_prompt": "You help with cooking.",
//!   "task_knowledge": "Tea: boil water, then let the leaves stand for three minutes.",
//!   "messages": [
//!     { "time": 0.0, "role": "user", "text": "I want tea." },
//!     { "time": 0.0, "role": "assistant", "text": "Fill the kettle." }
//!   ],
//!   "steps": [{ "name": "boil water", "start": 0.0, "end": 40.0 }],
//!   "substeps": [{ "name": "fill the kettle", "start": 0.0, "end": 12.5 }],
//!   "actions": [{ "name": "open the tap", "start": 3.0, "end": 3.0 }]
//! }
//! ```
//!
//! # ProAssist's conversations (JSON)
//! Recognised by a list at the top, or by the key `conversations` or `conversation`. Unknown keys are passed over, in this
//! format only: its files carry much more than a run needs. Messages may be in any order of time. Three shapes:
//! - a video of the released annotations: `inferred_knowledge` (the task knowledge) and `conversations`, each of them
//!   `{ "user_type": "no_talk" | "talk_some" | "talk_more", "conversation": [{ "role": "user", "time": 1.5,
//!   "content": "...", ... }] }`. The first conversation is read unless a [`Choice`] says otherwise.
//! - a list of such videos (`val_filtered.json`): of several, a [`Choice`] must name one by its `video_uid`.
//! - a prepared sample, a file of its own or one line of a `.jsonl` file, of several the one that a [`Choice`] names:
//!   `conversation` is `{ "role": "frames", "start": i, "end": j }` and
//!   messages by turns, beside it `fps` and `metadata` (`knowledge`, `user_type`). A message has the time `end / fps` of
//!   the frames ahead of it, ProAssist's own clock: frame `end - 1` is the last one seen before it. That time wins over a
//!   `time` of its own.
//!
//! The first system message, if nothing was said before it, is the system prompt. One that starts with `Task knowledge:`
//! is the task knowledge, where the file names none. One that starts with `Please summarize` ends the dialogue: the
//! summary that a prepared sample ends with is an exercise, nothing said to the user. The words `Task knowledge: ` that
//! ProAssist puts ahead of the knowledge are not added. What is written is a video with one conversation; of a real one it
//! lacks what annotations do not know, such as `video_uid` and `user_type`.
//!
//! PROSPECT's extension is understood too: `dst`, a list of `{ "type", "start_ts", "end_ts", "name" }` that means what the
//! rows of a DST file mean, and turns of the role `DST_UPDATE`, which say the same again and are passed over.
//!
//! # PROSPECT's dialogue states (DST, `.tsv`)
//! A tab-separated table. The first line names the columns: `type`, `start_ts`, `end_ts` and `name` must be there, in any
//! order; others (`id`) are passed over. `type` is `STEP`, `SUBSTEP` or `ACTION` in either case, times are decimal
//! seconds, rows may be in any order. Quotes are ordinary characters, blank lines are skipped. A file without `SUBSTEP`
//! rows has its steps for substeps.
//!
//! ```text
//! type    start_ts  end_ts  name
//! STEP    0         40      boil water
//! SUBSTEP 0         12.5    fill the kettle
//! ACTION  3         3       open the tap
//! ```

mod check;
mod convert;
mod dst;
mod error;
mod levels;
mod own_json;
mod proassist;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use prospect_config::UserRequest;
use prospect_session::{Guidance, Reference, TaskStep};
use serde::{Deserialize, Serialize};

pub use convert::Format;
pub use error::AnnotationsError;
pub use own_json::VERSION;
pub use proassist::Choice;

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Stream time in seconds.
    pub time: f64,
    /// Who says it.
    pub role: Speaker,
    /// What is said.
    pub text: String,
}

impl From<&Message> for Reference {
    fn from(message: &Message) -> Self {
        Self { time: message.time, text: message.text.clone() }
    }
}

/// A step, substep or action of the task with the time it takes, `start <= t < end` in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The coarse level of the task, sorted by start; no run looks at it.
    pub steps: Vec<Substep>,
    /// All substeps, sorted by start; the steps, where a file has no substeps of its own.
    pub substeps: Vec<Substep>,
    /// The fine level of the task, sorted by start; no run looks at it.
    pub actions: Vec<Substep>,
}

impl Annotations {
    /// Reads and checks a file of any of the three formats.
    ///
    /// # Errors
    /// One variant of [`AnnotationsError`] for each way in which the file is not an annotation file.
    pub fn from_file(path: &Path) -> Result<Self, AnnotationsError> {
        Self::from_file_choosing(path, &Choice::default())
    }

    /// Reads and checks a file, and of a ProAssist file with several videos or conversations the chosen one.
    ///
    /// # Errors
    /// As [`Annotations::from_file`], and where there is no such video or conversation.
    pub fn from_file_choosing(path: &Path, choice: &Choice) -> Result<Self, AnnotationsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| AnnotationsError::Unreadable { path: path.to_owned(), source })?;
        Self::parse_choosing(&text, path, choice)
    }

    /// Checks the text of a file; `path` is what errors name, and its ending `.tsv` means a DST file.
    ///
    /// # Errors
    /// As [`Annotations::from_file`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, AnnotationsError> {
        Self::parse_choosing(text, path, &Choice::default())
    }

    fn parse_choosing(text: &str, path: &Path, choice: &Choice) -> Result<Self, AnnotationsError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if has_extension(path, &["jsonl"]) {
            return proassist::read_prepared(text, path, choice);
        }
        let is_dst = has_extension(path, &["tsv"]);
        let json = if is_dst { None } else { Some(own_json::value(text, path)?) };
        match json {
            Some(value) if proassist::is_proassist(&value) => proassist::read(value, path, choice),
            _ if *choice != Choice::default() => {
                Err(AnnotationsError::NothingToChoose { path: path.to_owned() })
            }
            Some(_) => own_json::read(text, path),
            None => dst::read(text, path),
        }
    }

    /// The file `<video>.json` beside a video (`kitchen.json` for `kitchen.mp4`), if there is one, or else
    /// `<video>.tsv`. An annotation file has no annotations itself.
    pub fn beside(video: &Path) -> Option<PathBuf> {
        const ENDINGS: [&str; 2] = ["json", "tsv"];
        if has_extension(video, &ENDINGS) {
            return None;
        }
        ENDINGS.iter().map(|ending| video.with_extension(ending)).find(|file| file.is_file())
    }

    /// Takes over the steps, substeps and actions of another file about the same video.
    pub fn take_steps_of(&mut self, other: Self) {
        (self.steps, self.substeps, self.actions) = (other.steps, other.substeps, other.actions);
    }

    /// What a session is told of it.
    pub fn guidance(&self) -> Guidance {
        let step = |Substep { name, start, end }: &Substep| TaskStep {
            name: name.clone(),
            start: *start,
            end: *end,
        };
        let request = |message: &Message| UserRequest { time: message.time, text: message.text.clone() };
        Guidance {
            system_prompt: self.system_prompt.clone(),
            task_knowledge: self.task_knowledge.clone(),
            requests: self.requests().map(request).collect(),
            steps: self.substeps.iter().map(step).collect(),
            references: self.references().map(Reference::from).collect(),
        }
    }

    /// The reference replies, in order.
    pub fn references(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role == Speaker::Assistant)
    }

    /// The reference replies from one stream time to another, both included, in order.
    pub fn references_between(&self, first: f64, last: f64) -> impl Iterator<Item = &Message> {
        self.references().filter(move |message| first <= message.time && message.time <= last)
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

fn has_extension(path: &Path, endings: &[&str]) -> bool {
    path.extension()
        .is_some_and(|extension| endings.iter().any(|ending| extension.eq_ignore_ascii_case(ending)))
}
