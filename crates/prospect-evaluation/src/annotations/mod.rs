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
