//! The annotations of a video: system prompt, task knowledge, user requests, reference replies, substeps.
//!
//! Three formats can be read and written. [`Annotations::from_file`] recognizes the format. All times are
//! seconds of the video's own clock, finite and at least 0. A byte order mark and CRLF line ends are
//! accepted.
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
//! A message has `time` (seconds), `role` (`system`, `user` or `assistant`) and `text`. A user message goes
//! into the stream at its time. A message of the assistant is a reference reply. If it answers a question, it
//! may have `evidence`: the second at which the video last showed what it tells. An entry of `steps`,
//! `substeps` and `actions` has `name` (not blank), `start` and `end` (seconds). It is the current one while
//! `start <= t < end`. Only an action may be an instant, with `start = end`. Entries may overlap.
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
//! This format is recognized by a list at the top level, or by the key `conversations` or `conversation`.
//! Unknown keys are ignored in this format only, because its files have much that a run does not need.
//! Messages may be in any order of time. There are three shapes:
//! - a video of the released annotations: `inferred_knowledge` (the task knowledge) and `conversations`, each of them
//!   `{ "user_type": "no_talk" | "talk_some" | "talk_more", "conversation": [{ "role": "user", "time": 1.5,
//!   "content": "...", ... }] }`. The first conversation is read unless a [`Choice`] says otherwise.
//! - a list of such videos (`val_filtered.json`). If it has several videos, a [`Choice`] must name one by its
//!   `video_uid`.
//! - a prepared sample: a file of its own, or one line of a `.jsonl` file. If there are several lines, a
//!   [`Choice`] names one. Its `conversation` has `{ "role": "frames", "start": i, "end": j }` and messages
//!   in turns; beside it are `fps` and `metadata` (`knowledge`, `user_type`). The time of a message is `end /
//!   fps` of the frames before it, which is ProAssist's own clock: frame `end - 1` is the last frame seen
//!   before the message. This time overrides a `time` of the message.
//!
//! The first system message is the system prompt, if no other message comes before it. A system message that
//! starts with `Task knowledge:` is the task knowledge, if the file has no other. A message that starts with
//! `Please summarize` ends the dialogue: a prepared sample ends with a summary as an exercise, which is not
//! said to the user. The words `Task knowledge: `, which ProAssist puts before the knowledge, are not added.
//! A written file is a video with one conversation. It lacks what annotations do not have, such as
//! `video_uid` and `user_type`.
//!
//! PROSPECT's extension is also read: `dst` is a list of `{ "type", "start_ts", "end_ts", "name" }` with the
//! meaning of the rows of a DST file. Turns of the role `DST_UPDATE` repeat it and are ignored.
//!
//! # PROSPECT's dialogue states (DST, `.tsv`)
//! A tab-separated table. The first line names the columns. `type`, `start_ts`, `end_ts` and `name` are
//! required, in any order; others (`id`) are ignored. `type` is `STEP`, `SUBSTEP` or `ACTION` in upper or
//! lower case. Times are decimal seconds. Rows may be in any order. Quotes are ordinary characters, and blank
//! lines are skipped. If a file has no `SUBSTEP` rows, its steps are used as substeps.
//!
//! ```text
//! type    start_ts  end_ts  name
//! STEP    0         40      boil water
//! SUBSTEP 0         12.5    fill the kettle
//! ACTION  3         3       open the tap
//! ```

mod annotated;
mod check;
mod convert;
mod dst;
mod error;
mod file;
mod levels;
mod own_json;
mod proassist;
#[cfg(test)]
mod tests;
mod version;

pub use annotated::{Annotations, Message, Speaker, Substep};
pub use convert::Format;
pub use error::AnnotationsError;
pub use proassist::Choice;
pub use version::VERSION;
