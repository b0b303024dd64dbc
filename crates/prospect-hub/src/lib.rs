//! Models of the Hugging Face hub by their id: found in the hub's cache, or downloaded into it.
//!
//! What is in the cache is taken from there, and nobody is asked: a run is the same with and without a network. `download`
//! asks the hub, and follows a branch that has moved on.

mod cache;
#[cfg(feature = "download")]
mod download;
mod environment;
mod error;
mod expansion;
mod hub;
mod id;
#[cfg(feature = "download")]
mod interrupt;
mod weight_files;

pub use cache::Snapshot;
#[cfg(feature = "download")]
pub use download::{CheckConfig, Patience};
pub use environment::Environment;
pub use error::HubError;
pub use hub::{Hub, resolve};
pub use id::HubId;
pub use weight_files::WeightFiles;
