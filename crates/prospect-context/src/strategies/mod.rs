//! The built-in strategies, one file each, and the list of them.
//!
//! To add a strategy, add a file with its type, its description and its plan. Add its `mod`, its `pub use`
//! and its line in [`BUILT_IN`] here, and its documents (docs/strategies.md lists them).

mod anchor_fifo;
mod chosen_frames;
mod drop_all;
mod drop_middle;
mod drop_oldest_frames;
mod events;
mod hybrid;
mod keyframes;
pub mod proassist;
mod recent_frames;
mod sink_window;
mod summarize_and_drop;
mod summarize_with_dst;

pub use anchor_fifo::AnchorFifo;
pub use drop_all::DropAll;
pub use drop_middle::DropMiddle;
pub use drop_oldest_frames::DropOldestFrames;
pub use events::Events;
pub use hybrid::Hybrid;
pub use keyframes::Keyframes;
pub use recent_frames::RecentFrames;
pub use sink_window::SinkWindow;
pub use summarize_and_drop::SummarizeAndDrop;
pub use summarize_with_dst::SummarizeWithDst;

use crate::catalogue::StrategyDescription;

/// Every built-in strategy, in the order in which settings list them.
pub static BUILT_IN: &[StrategyDescription] = &[
    DropAll::DESCRIPTION,
    DropMiddle::DESCRIPTION,
    SummarizeAndDrop::DESCRIPTION,
    SummarizeWithDst::DESCRIPTION,
    SinkWindow::DESCRIPTION,
    RecentFrames::DESCRIPTION,
    AnchorFifo::DESCRIPTION,
    DropOldestFrames::DESCRIPTION,
    Keyframes::DESCRIPTION,
    Events::DESCRIPTION,
    Hybrid::DESCRIPTION,
];
