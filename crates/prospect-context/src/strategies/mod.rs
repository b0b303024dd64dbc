//! The built-in strategies, one file each.

mod drop_all;
mod drop_middle;
pub mod proassist;
mod sink_window;
mod summarize_and_drop;
mod summarize_with_dst;
mod survivors;

pub use drop_all::DropAll;
pub use drop_middle::DropMiddle;
pub use sink_window::SinkWindow;
pub use summarize_and_drop::SummarizeAndDrop;
pub use summarize_with_dst::SummarizeWithDst;
