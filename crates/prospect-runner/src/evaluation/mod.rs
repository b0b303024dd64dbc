//! How good the replies of a run are.

mod bootstrap;
mod exact;

pub use bootstrap::{Interval, bootstrap};
pub use exact::{ExactCounts, ExactMatch, WINDOW_FRAMES, exact_counts, match_exactly};
