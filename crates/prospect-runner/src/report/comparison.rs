//! The comparison of the strategies: the table with intervals, and the same as a plot.

use serde::Serialize;

use super::plots;
use crate::error::RunError;
use crate::suite::Merged;
use prospect_evaluation::{Better, Figure, METRICS, StrategySummary};

/// Metrics that are plotted, by key.
const PLOTTED: [&str; 2] = ["f1", "exact_f1"];

/// What the template shows of the whole suite.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    baseline: Option<String>,
    similarity: String,
    videos: usize,
    metrics: Vec<MetricView>,
    strategies: Vec<StrategyView>,
    plots: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MetricView {
    label: &'static str,
    meaning: &'static str,
    better: Better,
}

#[derive(Debug, Serialize)]
struct StrategyView {
    name: String,
    figures: Vec<FigureView>,
    costs: Vec<(&'static str, String)>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FigureView {
    value: String,
    interval: String,
    difference: Option<String>,
    /// `better`, `worse`, or empty where the interval of the difference has 0 in it.
    reading: &'static str,
}

pub(super) fn comparison(merged: &Merged) -> Result<Comparison, RunError> {
    let description = &merged.description;
    let metric = |key: &&str| METRICS.iter().find(|metric| metric.key == *key);
    let plots = PLOTTED.iter().filter_map(metric).map(|metric| {
        let rows: Vec<(&str, Figure)> = merged
            .summaries
            .iter()
            .map(|summary| (summary.strategy.as_str(), summary.metrics[metric.key]))
            .collect();
        plots::intervals(metric.label, &rows)
    });
    Ok(Comparison {
        baseline: description.baseline.clone(),
        similarity: description.similarity.clone(),
        videos: description.videos.len(),
        metrics: METRICS
            .iter()
            .map(|metric| MetricView { label: metric.label, meaning: metric.meaning, better: metric.better })
            .collect(),
        plots: plots.collect::<Result<_, _>>()?,
        strategies: merged.summaries.iter().map(strategy).collect(),
    })
}

fn strategy(summary: &StrategySummary) -> StrategyView {
    let cost = &summary.cost;
    let costs = vec![
        ("videos", summary.videos.to_string()),
        ("failed", summary.failed.to_string()),
        ("frames", cost.frames.to_string()),
        ("peak tokens", cost.peak_cache_tokens.to_string()),
        ("peak KiB", (cost.peak_cache_bytes / 1024).to_string()),
        ("evictions", cost.evictions.to_string()),
        ("re-prefilled", cost.tokens_reprefilled.to_string()),
        ("summaries", cost.summaries.to_string()),
        ("summary s", format!("{:.1}", cost.summary_ms / 1e3)),
        ("p50 ms", format!("{:.1}", cost.p50_ms)),
        ("p95 ms", format!("{:.1}", cost.p95_ms)),
        ("p99 ms", format!("{:.1}", cost.p99_ms)),
    ];
    let figure = |metric: &prospect_evaluation::Metric| figure(&summary.metrics[metric.key], metric.better);
    StrategyView {
        name: summary.strategy.clone(),
        figures: METRICS.iter().map(figure).collect(),
        costs,
        problems: summary.problems.clone(),
    }
}

fn figure(figure: &Figure, better: Better) -> FigureView {
    let number = |value: f64| if value.is_nan() { "–".to_owned() } else { format!("{value:.3}") };
    let interval = match figure.interval.low.is_nan() {
        true => String::new(),
        false => format!("{}–{}", number(figure.interval.low), number(figure.interval.high)),
    };
    let clear = figure.difference.filter(|difference| difference.is_clear());
    let reading = match (clear, better) {
        (None, _) | (_, Better::Zero) => "",
        (Some(difference), better) if (difference.value > 0.0) == (better == Better::Higher) => "better",
        _ => "worse",
    };
    let difference = figure.difference.filter(|difference| !difference.value.is_nan()).map(|difference| {
        let (low, high) = (difference.interval.low, difference.interval.high);
        format!("{:+.3} ({low:+.3} to {high:+.3})", difference.value)
    });
    FigureView { value: number(figure.value), interval, difference, reading }
}
