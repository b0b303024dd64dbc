//! Stream a video through SmolVLM2: sources, the stream loop, trace and command line.
//!
//! [`run::run`] is the way of one video: a [`source`] gives frames, an engine ([`prospect_engine::Engine`]) puts them into a
//! model one at a time and lets a context strategy decide what survives when the cache overflows, a trace
//! ([`prospect_journal::TraceSink`]) takes down what happened, a [`display`] shows it.

pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod display;
pub mod error;
pub mod interrupt;
mod outlet;
pub mod parity;
mod placement;
pub mod published;
pub mod recording;
pub mod report;
pub mod run;
pub mod similarity;
pub mod suite;
pub mod suspend;
mod version;

pub use prospect_session::registry as strategies;
pub use version::VERSION;
