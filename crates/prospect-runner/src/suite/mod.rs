//! Many videos under several strategies, so that a run that is killed and started again does only what is missing.
//!
//! A suite lies in one folder: `suite.json` says what belongs to it, and `<strategy>/<video>/` has the `trace.jsonl` and
//! the `result.json` of every run. A result appears whole or not at all.

mod dataset;
mod inputs;
mod merge;
mod proassist;
mod sanity;
mod shard;
mod store;
mod variant;
mod video;
mod work;

pub use dataset::videos;
pub use inputs::Inputs;
pub use merge::{Merged, merge};
pub use shard::Shard;
pub use store::{RunResult, Store, SuiteDescription};
pub use variant::Variant;
pub use video::Video;
pub use work::{Progress, ShardOutcome, Suite, Told, with_annotations};
