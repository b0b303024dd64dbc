//! Many videos under several strategies. If a suite is killed and started again, only missing runs are
//! done.
//!
//! A suite has one folder. `suite.json` lists its strategies and videos, and `<strategy>/<video>/`
//! contains the `trace.jsonl` and the `result.json` of a run. A result is either complete or absent.

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
pub use inputs::{Inputs, SharedInputs};
pub use merge::{Merged, merge};
pub use shard::Shard;
pub use store::{RunResult, Store, SuiteDescription};
pub use variant::Variant;
pub use video::Video;
pub use work::{Progress, ShardOutcome, Suite, Told, with_annotations};
