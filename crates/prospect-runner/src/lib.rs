//! The binary: the command line, what a person sees, runs and suites, reports, measurements.
//!
//! [`run::run`] is the way of one video: a source ([`prospect_source`]) gives frames, an engine ([`prospect_engine::Engine`]) puts them
//! into a model one at a time and lets a context strategy decide what survives when the cache overflows, a trace
//! ([`prospect_journal`]) takes down what happened, a [`display`] shows it.
//!
//! `examples/embed.rs` streams a video in a program of one's own.

mod answer;
pub mod bench;
pub mod burn;
pub mod checkpoint;
pub mod cli;
pub mod display;
pub mod error;
pub mod gguf_pair;
pub mod interrupt;
mod layout;
mod memory_span;
pub mod model_files;
mod operations;
mod outlet;
mod pace;
pub mod parity;
mod placement;
pub mod published;
pub mod recording;
pub mod report;
pub mod run;
#[cfg(feature = "serve")]
pub mod serve;
mod silent_forever;
pub mod similarity;
pub mod subtitles;
pub mod suite;
pub mod suspend;
mod verbosity;
mod version;

pub use prospect_session::registry as strategies;
pub use version::VERSION;
