//! One stream of a model that watches video, as a state machine. Its inputs say what happened, and its
//! outputs say what has to be done. A session has no tensor, no file, no clock and no thread. It is [`Send`]
//! and owns its data.
//!
//! The inputs of a [`Session`] are frames ([`Session::frame`]), a person's messages at any moment
//! ([`Session::say`]), a new system prompt ([`Session::set_opening`]) and the results of its works
//! ([`Session::done`]). Frames and results come with the time at which they happened. The outputs are
//! [`Work`] for the caller that has the model ([`Session::next_work`]), and the [`Event`]s of the trace
//! ([`Session::take_events`]). If the caller asks for it, the words of a reply are an output as well, while
//! the reply is generated ([`Session::take_words`]). An engine serves many sessions with one model; a session
//! does not know that.
//!
//! # The order of the works
//! This order specifies the loop: equal inputs give equal works, whatever other streams the engine serves.
//! For each frame:
//!
//! 1. *Truncate* to the opening, under the baseline `none`.
//! 2. **An eviction** (below), if the tokens that are about to come in would not fit. A cache that would
//!    overflow is reduced first, so it never grows past its bound.
//! 3. *Encode* the picture of the frame, unless its pixels are exactly those of the frame before.
//! 4. *Prefill* one chunk: the waiting tokens, the opening at the first frame, people's messages, and the
//!    frame. Decide whether to speak, if the talk policy lets the model decide. *Decode* the rest of a reply.
//! 5. If the talk policy asks for a reply, *prefill* its prompt and *decode* the reply. A policy that asks
//!    the model for the step of the task does this first, on a fork: *prefill*, *decode*, *truncate*.
//! 6. *Truncate* to the frame, if references replace the replies.
//! 7. After silence, generate a few tokens of a summary that the strategy wants before the overflow: *fork*,
//!    *continue the fork*.
//! 8. Under ProAssist's rules, an eviction after the frame, which looks at the reserve alone.
//!
//! **An eviction** has these steps. If a summary was begun, *continue the fork* until it is finished, and
//! *drop* the fork. The strategy makes its plan. For each summary of the plan, on a fork of the whole cache:
//! *prefill* the question, *decode* the answer, *truncate*. Then *evict*.

mod adjust;
mod dialogue;
mod error;
mod event;
pub mod fake;
mod frame;
mod histogram;
mod language;
mod layout;
mod machine;
mod memory;
mod options;
mod reference;
pub mod registry;
mod repeats;
mod rules;
mod session;
mod stage;
mod statistics;
mod step_names;
mod talk;
#[cfg(test)]
mod tests;
mod thumbnail;
mod trace_laws;
mod unlawful_change;
mod words;
mod work;

pub use error::{SessionError, UnfitSession};
pub use event::{Event, PaceEntry, PaceSummary, PutBack, SCHEMA_VERSION, SegmentEntry, StageTimes, Versions};
pub use frame::{Aside, Fingerprint, FrameDone, FrameInput, Pace, Reply};
pub use histogram::Histogram;
pub use language::{Language, LanguageError, UserTurn};
pub use memory::{ModelHolds, SessionMemory};
pub use options::{Guidance, OpeningTexts, OverflowRule, Reference, SessionOptions, TaskStep};
pub use session::Session;
pub use statistics::RunStatistics;
pub use thumbnail::{THUMBNAIL_SIDE, Thumbnail};
pub use trace_laws::broken_laws;
pub use unlawful_change::UnlawfulChange;
pub use words::Words;
pub use work::{Done, Evicted, ResolvedPiece, Said, Then, Work};
