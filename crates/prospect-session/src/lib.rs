//! One stream of a model that watches video, as a state machine: it is told what happened and answers with what is to be
//! done. It has no tensor, no file, no clock and no thread; it is [`Send`] and owns what it needs.
//!
//! A [`Session`] is told of frames ([`Session::frame`]), of what a person says at any moment ([`Session::say`]), of another
//! system prompt ([`Session::set_opening`]) and of what came of its works ([`Session::done`]), each with the time at which it
//! happened. It answers with [`Work`] for whoever has the model ([`Session::next_work`]) and with the [`Event`]s of its trace
//! ([`Session::take_events`]), and, where that is asked for, with the words of a reply while it is generated
//! ([`Session::take_words`]). An engine serves many sessions with one model; a session does not know that.
//!
//! # The order of the works
//! It is the specification of the loop: the same inputs give the same works, whoever else is served. For each frame:
//!
//! 1. *Truncate* to the opening, where the stream forgets everything (`none`).
//! 2. Before anything goes in, if it would not fit: **an eviction** (below). A cache that would overflow is reduced first, so
//!    that it never passes its bound.
//! 3. *Encode* the frame's picture, unless its pixels are those of the frame before.
//! 4. *Prefill* what waits from before, the opening at the first frame, what people said, the frame - one chunk - and decide
//!    whether to speak, where the talk policy lets the model decide; *decode* the rest of a reply.
//! 5. What asks for a reply, where the talk policy says so: *prefill* it, *decode* the reply. A policy that asks the model for
//!    the step of the task asks first, on a fork: *prefill*, *decode*, *truncate*.
//! 6. *Truncate* to the frame, where references stand for replies.
//! 7. After silence, a few tokens of a summary that a strategy wants written early: *fork*, *continue the fork*.
//! 8. After the frame, under ProAssist's rules: an eviction by the reserve alone.
//!
//! **An eviction**: *continue the fork* until a summary that was begun is finished, and *drop* it; the strategy's plan; for
//! each summary that it asks for, on a fork of the cache as it still is, *prefill* the question, *decode* the answer,
//! *truncate*; then *evict*.

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
