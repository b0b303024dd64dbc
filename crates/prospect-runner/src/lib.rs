//! The binary: command line, display, runs and suites, reports, measurements.
//!
//! [`run::run`] processes one video. A source ([`prospect_source`]) gives frames. An engine
//! ([`prospect_engine::Engine`]) feeds them to a model one at a time, and a context strategy decides
//! what is kept when the cache overflows. A trace ([`prospect_journal`]) records the events, and a
//! [`display`] shows them.
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
mod progress;
pub mod published;
pub mod recording;
pub mod report;
pub mod run;
#[cfg(feature = "serve")]
pub mod serve;
mod silent_forever;
pub mod similarity;
mod stream_costs;
pub mod subtitles;
pub mod suite;
pub mod suspend;
mod verbosity;
mod version;

pub use prospect_session::registry as strategies;
pub use version::VERSION;
