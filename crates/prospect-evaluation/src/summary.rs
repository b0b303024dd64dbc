//! Many videos under several strategies: every metric with its interval, and the difference to a baseline.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::{Interval, bootstrap};
use super::cost::Cost;
use super::judgement::Judgement;
use super::metrics::{METRICS, Totals};
use super::text::cider;

/// One video under one strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoRun {
    /// The video's name.
    pub video: String,
    /// The judgement of its replies.
    pub judgement: Judgement,
    /// The cost of the run.
    pub cost: Cost,
    /// The reason of a failure, if the run failed. The references that it did not reach then count as missed.
    pub error: Option<String>,
    /// The laws of traces that its trace breaks.
    pub broken_laws: Vec<String>,
}

/// All videos under one strategy, in the same order under all strategies.
#[derive(Debug, Clone, PartialEq)]
pub struct StrategyRuns {
    /// The name of the strategy.
    pub strategy: String,
    /// One run per video.
    pub runs: Vec<VideoRun>,
}

/// The value of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The value over all videos; NaN (in JSON `null`) if there is nothing to measure.
    pub value: f64,
    /// The 95% interval over videos.
    pub interval: Interval,
    /// The difference to the baseline strategy on the same videos. `None` for the baseline itself, and if the
    /// values of two strategies are not on the same scale.
    pub difference: Option<Difference>,
}

/// A paired difference: both strategies are evaluated on the same resampled videos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// This strategy minus the baseline.
    pub value: f64,
    /// The 95% interval over videos.
    pub interval: Interval,
}

impl Difference {
    /// Whether 0 is outside of the interval.
    pub fn is_clear(&self) -> bool {
        self.interval.low > 0.0 || self.interval.high < 0.0
    }
}

/// One strategy over all videos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StrategySummary {
    /// The name of the strategy.
    pub strategy: String,
    /// The number of videos.
    pub videos: usize,
    /// The counts of matched, mismatched and redundant replies, and of missed references.
    pub counts: Counts,
    /// The metrics, by [`super::Metric::key`].
    pub metrics: BTreeMap<&'static str, Figure>,
    /// The cost of all runs.
    pub cost: CostSummary,
    /// The number of runs that failed.
    pub failed: usize,
    /// The failures and broken laws, each as `VIDEO: what went wrong`.
    pub problems: Vec<String>,
    /// The number of broken laws among the problems.
    pub broken_laws: usize,
}

/// The counts of all replies and references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The number of replies that match.
    pub matched: usize,
    /// The number of replies that have a reference and do not match it.
    pub mismatched: usize,
    /// The number of replies without a reference.
    pub redundant: usize,
    /// The number of references without a reply.
    pub missed: usize,
}

/// The values of [`Cost`], with percentiles instead of the histogram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostSummary {
    /// The number of frames that went in.
    pub frames: usize,
    /// The largest length of the cache in any run, in tokens.
    pub peak_cache_tokens: usize,
    /// The keys and values of that length, in bytes.
    pub peak_cache_bytes: usize,
    /// The number of overflows.
    pub evictions: usize,
    /// The number of tokens that went through the decoder because of an eviction.
    pub tokens_reprefilled: usize,
    /// The number of summaries.
    pub summaries: usize,
    /// The time that the summaries took, in milliseconds.
    pub summary_ms: f64,
    /// The median of frame times, in milliseconds.
    pub p50_ms: f64,
    /// The 95th percentile of frame times, in milliseconds.
    pub p95_ms: f64,
    /// The 99th percentile of frame times, in milliseconds.
    pub p99_ms: f64,
}

/// Summarises every strategy. `baseline` is the name of the strategy with which the others are compared.
/// Without it there are no differences.
pub fn summarize(strategies: &[StrategyRuns], baseline: Option<&str>) -> Vec<StrategySummary> {
    let totals: Vec<Vec<Totals>> = strategies.iter().map(totals).collect();
    let position = baseline.and_then(|name| strategies.iter().position(|runs| runs.strategy == name));
    let summary = |(index, runs): (usize, &StrategyRuns)| {
        let other =
            position.filter(|&position| position != index).map(|position| totals[position].as_slice());
        summary(runs, &totals[index], other)
    };
    strategies.iter().enumerate().map(summary).collect()
}

/// The counts of each video. The document frequencies of CIDEr come from the matched pairs of all videos.
fn totals(runs: &StrategyRuns) -> Vec<Totals> {
    let mut pairs = Vec::new();
    let mut matched = Vec::with_capacity(runs.runs.len());
    for VideoRun { judgement, .. } in &runs.runs {
        let before = pairs.len();
        pairs.extend(judgement.matched_words());
        matched.push(before..pairs.len());
    }
    let scores = cider(&pairs);
    let total = |(run, matched): (&VideoRun, std::ops::Range<usize>)| {
        Totals::of(&run.judgement, &pairs[matched.clone()], scores[matched].iter().sum())
    };
    runs.runs.iter().zip(matched).map(total).collect()
}

fn summary(runs: &StrategyRuns, totals: &[Totals], baseline: Option<&[Totals]>) -> StrategySummary {
    let all: Totals = totals.iter().sum();
    let metrics = figures(totals, baseline);
    let counts = Counts {
        matched: all.matched,
        mismatched: all.mismatched,
        redundant: all.redundant,
        missed: all.missed,
    };
    let problem = |run: &VideoRun| {
        let lines = run.error.iter().chain(&run.broken_laws);
        lines.map(|line| format!("{}: {line}", run.video)).collect::<Vec<_>>()
    };
    StrategySummary {
        strategy: runs.strategy.clone(),
        videos: runs.runs.len(),
        counts,
        metrics,
        cost: cost(&runs.runs),
        failed: runs.runs.iter().filter(|run| run.error.is_some()).count(),
        problems: runs.runs.iter().flat_map(problem).collect(),
        broken_laws: runs.runs.iter().map(|run| run.broken_laws.len()).sum(),
    }
}

/// Every metric with its interval, from one set of resamples for all.
fn figures(totals: &[Totals], baseline: Option<&[Totals]>) -> BTreeMap<&'static str, Figure> {
    let everything: Vec<usize> = (0..totals.len()).collect();
    let row = |sample: &[usize]| -> Vec<f64> {
        let of = |totals: &[Totals]| -> Vec<f64> {
            let sum: Totals = sample.iter().map(|&index| &totals[index]).sum();
            METRICS.iter().map(|metric| (metric.of)(&sum)).collect()
        };
        let own = of(totals);
        let differences: Vec<f64> = match baseline {
            Some(baseline) => own.iter().zip(of(baseline)).map(|(own, other)| own - other).collect(),
            None => Vec::new(),
        };
        [own, differences].concat()
    };
    let values = row(&everything);
    let intervals = bootstrap(totals.len(), row);
    let figure = |(index, metric): (usize, &super::metrics::Metric)| {
        let paired = index + METRICS.len();
        let difference = values.get(paired).map(|&value| Difference { value, interval: intervals[paired] });
        (metric.key, Figure { value: values[index], interval: intervals[index], difference })
    };
    METRICS.iter().enumerate().map(figure).collect()
}

fn cost(runs: &[VideoRun]) -> CostSummary {
    let mut cost = Cost::default();
    runs.iter().for_each(|run| cost.add(&run.cost));
    CostSummary {
        frames: cost.frames,
        peak_cache_tokens: cost.peak_cache_tokens,
        peak_cache_bytes: cost.peak_cache_bytes,
        evictions: cost.evictions,
        tokens_reprefilled: cost.tokens_reprefilled,
        summaries: cost.summaries,
        summary_ms: cost.summary_ms,
        p50_ms: cost.frame_ms.percentile(0.50),
        p95_ms: cost.frame_ms.percentile(0.95),
        p99_ms: cost.frame_ms.percentile(0.99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExactCounts, JudgedReply, Reference, Verdict};

    /// A video with `right` replies of `all` references.
    fn run(right: usize, all: usize) -> VideoRun {
        let text = |index: usize| format!("Take part {index} now.");
        let reply = |index| JudgedReply {
            time: index as f64,
            text: text(index),
            verdict: Verdict::Matched,
            reference: Some(index),
            similarity: 1.0,
        };
        let judgement = Judgement {
            replies: (0..right).map(reply).collect(),
            references: (0..all).map(|index| Reference { time: index as f64, text: text(index) }).collect(),
            exact: ExactCounts::default(),
            seconds: 60.0,
        };
        VideoRun { video: "v".into(), judgement, cost: Cost::default(), error: None, broken_laws: Vec::new() }
    }

    fn strategy(name: &str, runs: Vec<VideoRun>) -> StrategyRuns {
        StrategyRuns { strategy: name.into(), runs }
    }

    #[test]
    fn a_paired_difference_is_surer_than_the_figures_themselves() {
        // Videos differ much, the strategies always by one reply of ten.
        let good: Vec<VideoRun> = (0..40).map(|video| run(2 + video % 9, 10)).collect();
        let bad: Vec<VideoRun> = (0..40).map(|video| run(1 + video % 9, 10)).collect();
        let summaries = summarize(&[strategy("good", good), strategy("bad", bad)], Some("good"));
        let recall = summaries[1].metrics["recall"];
        let difference = recall.difference.unwrap();
        assert!((difference.value + 0.1).abs() < 1e-9 && difference.is_clear());
        assert!(difference.interval.high - difference.interval.low < 1e-9);
        assert!(recall.interval.high > summaries[0].metrics["recall"].interval.low);
        assert_eq!(summaries[0].metrics["recall"].difference, None);
        assert!((summaries[0].metrics["bleu_4"].value - 1.0).abs() < 1e-6);
    }

    #[test]
    fn failures_and_broken_laws_are_told() {
        let mut failed = run(0, 3);
        failed.error = Some("no room".into());
        let mut unlawful = run(3, 3);
        unlawful.broken_laws = vec!["line 2: too much".into()];
        let summary = &summarize(&[strategy("s", vec![failed, unlawful])], None)[0];
        assert_eq!((summary.failed, summary.broken_laws), (1, 1));
        assert_eq!(summary.problems, ["v: no room", "v: line 2: too much"]);
        assert_eq!(summary.metrics["recall"].value, 0.5);
    }

    #[test]
    fn no_videos_have_no_figures() {
        let summary = &summarize(&[strategy("s", vec![])], Some("other"))[0];
        assert_eq!(summary.metrics["f1"].value, 1.0);
        assert!(summary.metrics["delay"].value.is_nan() && summary.metrics["delay"].difference.is_none());
    }
}
