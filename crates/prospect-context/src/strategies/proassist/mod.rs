//! ProAssist's own behaviour, token for token, for comparison with its loop (`configs/proassist.toml`).
//!
//! Checked after each frame by the reserve alone; legacy positions; frames may be cut. Rebuilt from its definition in
//! the public code of ProAssist, `mmassist/eval/runners/stream_inference.py`.

mod drop_all;
mod drop_middle;
mod summarize_and_drop;

pub use drop_all::DropAll;
pub use drop_middle::DropMiddle;
pub use summarize_and_drop::SummarizeAndDrop;
