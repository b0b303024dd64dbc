//! The built-in strategies, one file each.

mod drop_all;
mod drop_middle;
mod drop_oldest_frames;
mod hybrid;
mod keyframes;
pub mod proassist;
mod sink_window;
mod summarize_and_drop;
mod summarize_with_dst;
mod survivors;

pub use drop_all::DropAll;
pub use drop_middle::DropMiddle;
pub use drop_oldest_frames::DropOldestFrames;
pub use hybrid::Hybrid;
pub use keyframes::Keyframes;
pub use sink_window::SinkWindow;
pub use summarize_and_drop::SummarizeAndDrop;
pub use summarize_with_dst::SummarizeWithDst;
