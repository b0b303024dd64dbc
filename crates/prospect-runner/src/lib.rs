//! Stream a video through SmolVLM2: sources, the stream loop, trace and command line.
//!
//! [`run::run`] is the way of one video: a [`source`] gives frames, a [`session`] puts them into a model one at a time and
//! lets a context strategy decide what survives when the cache overflows, a [`trace`] takes down what happened, a
//! [`display`] shows it. The loop is written against [`stream_model::StreamModel`], so that it is tested without weights;
//! [`smolvlm::SmolVlmStream`] is the real one.

pub mod annotations;
pub mod bench;
pub mod checkpoint;
pub mod cli;
pub mod display;
pub mod error;
pub mod evaluation;
pub mod histogram;
pub mod hub;
mod lock;
mod one_line;
mod outlet;
pub mod parity;
pub mod picture;
mod placement;
pub mod preparation;
pub mod published;
pub mod recording;
pub mod report;
pub mod run;
pub mod session;
pub mod smolvlm;
pub mod source;
mod stamp;
pub mod strategies;
pub mod stream_model;
pub mod suite;
pub mod suspend;
pub mod trace;
mod version;
mod whole_file;

pub use version::VERSION;
