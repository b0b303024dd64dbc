//! How good the replies of a run are, and how sure that is.
//!
//! A run is judged from its trace and the annotations of its video ([`Judge`]); the judgements of many videos become
//! [`Metric`]s with intervals, and differences to another strategy ([`summarize`]).

mod assignment;
mod bootstrap;
mod cost;
mod exact;
mod judgement;
mod matching;
mod metrics;
mod similarity;
mod summary;
pub mod text;

pub use assignment::assign;
pub use bootstrap::{Interval, LEAST_VIDEOS, bootstrap};
pub use cost::Cost;
pub use exact::{ExactCounts, ExactMatch, WINDOW_FRAMES, exact_counts, match_exactly};
pub use judgement::{Judge, JudgedReply, Judgement, references_as_replies};
pub use matching::{Assigned, Dialogue, Verdict, Window, costs, match_replies};
pub use metrics::{Better, METRICS, Metric, Totals};
pub use prospect_session::Reference;
#[cfg(feature = "sentence-encoder")]
pub use similarity::Sentence;
pub use similarity::{Lexical, Similarity, similarity};
pub use summary::{Difference, Figure, StrategyRuns, StrategySummary, VideoRun, summarize};
