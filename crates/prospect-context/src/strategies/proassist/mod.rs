//! ProAssist's own behaviour, token for token, for comparison with its loop (`configs/proassist.toml`).
//!
//! The budget is checked after each frame, by the reserve alone. Positions are `legacy`, and frames may be
//! cut. The strategies were rebuilt from their definition in the public code of ProAssist,
//! `mmassist/eval/runners/stream_inference.py`.

mod drop_all;
mod drop_middle;
mod summarize_and_drop;
mod variant;

pub use drop_all::DropAll;
pub use drop_middle::DropMiddle;
pub use summarize_and_drop::SummarizeAndDrop;
pub use variant::{Fixed, Variant};

use crate::plan::PositionPolicy;

/// Every strategy of ProAssist, with the parameters that are fixed there.
pub static VARIANTS: &[Variant] = &[
    Variant { strategy: DropAll::DESCRIPTION, fixed: &[] },
    Variant {
        strategy: DropMiddle::DESCRIPTION,
        fixed: &[Fixed::Positions { parameter: "positions", only: PositionPolicy::Legacy }],
    },
    Variant {
        strategy: SummarizeAndDrop::DESCRIPTION,
        fixed: &[Fixed::Unset { parameter: "summarize_at", because: "which sums up at the overflow" }],
    },
];
