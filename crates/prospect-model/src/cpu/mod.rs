//! The forward passes on a CPU: buffers that are lent from call to call, kernels of our own, no tensor in between.
//!
//! A layer is two stages with attention between them. Within a stage rows do not know each other, so a thread takes a block of
//! rows through all of it while they are in its second cache ([`Lent::rows`]); where there are too few rows for that, the
//! products are split over threads instead, and the same code runs once. What a row becomes does not depend on the cut.

mod activation;
mod decoder;
mod elementwise;
mod lend;
mod load;
mod patches;
mod stage;
mod vision;

pub(crate) use decoder::{Chunk, Decoder, table_and_head};
pub(crate) use lend::{CacheRows, with_floats};
pub(crate) use vision::VisionEncoder;
