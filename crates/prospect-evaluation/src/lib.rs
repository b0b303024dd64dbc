//! The quality of a stream's replies, and its uncertainty. It is computed from the trace and the annotations
//! of the video, without a model.
//!
//! [`Annotations`](annotations::Annotations) are read in several formats, and traces with [`read_trace`]. A
//! [`Judge`] compares the two. [`summarize`] turns the judgements of many videos into [`Metric`]s with
//! intervals, and into differences to another strategy. Texts are compared through the trait [`Similarity`]:
//! [`Lexical`] compares words, and a sentence encoder is implemented elsewhere.

pub mod annotations;
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
mod trace;

pub use assignment::assign;
pub use bootstrap::{Interval, LEAST_VIDEOS, bootstrap};
pub use cost::Cost;
pub use exact::{ExactCounts, ExactMatch, WINDOW_FRAMES, exact_counts, match_exactly};
pub use judgement::{Judge, JudgedReply, Judgement, references_as_replies};
pub use matching::{Assigned, Dialogue, Verdict, Window, costs, match_replies};
pub use metrics::{Better, METRICS, Metric, Totals};
pub use prospect_session::Reference;
pub use similarity::{Lexical, Similarity, SimilarityError, cosine};
pub use summary::{
    CostSummary, Counts, Difference, Figure, StrategyRuns, StrategySummary, VideoRun, summarize,
};
pub use trace::{TraceError, read_trace};
