//! How good the replies of a stream are, and how sure that is: from its trace and the annotations of its video, without a
//! model.
//!
//! [`Annotations`](annotations::Annotations) are read in several formats, traces by [`read_trace`]. A [`Judge`] puts the two
//! together; the judgements of many videos become [`Metric`]s with intervals, and differences to another strategy
//! ([`summarize`]). Texts are compared through [`Similarity`]: [`Lexical`] compares words, a sentence encoder comes in from
//! outside.

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
