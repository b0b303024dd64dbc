//! The comparison of the strategies: a table with confidence intervals, and the same as plots.

use serde::Serialize;

use super::cost::COSTS;
use super::figure::{best, reading, shown, shown_difference, shown_interval};
use super::plots;
use crate::error::RunError;
use crate::strategies::SANITY;
use crate::suite::Merged;
use prospect_evaluation::{Better, Figure, METRICS, Metric, StrategySummary};

/// Keys of the metrics that are plotted.
const PLOTTED: [&str; 2] = ["f1", "exact_f1"];

/// The data that the template shows of the whole suite.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    baseline: Option<String>,
    similarity: String,
    videos: usize,
    metrics: Vec<MetricView>,
    costs: Vec<&'static str>,
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
    costs: Vec<CostView>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FigureView {
    value: String,
    best: bool,
    interval: Option<String>,
    difference: Option<String>,
    /// `better` or `worse`; empty if the interval of the difference contains 0.
    reading: &'static str,
}

#[derive(Debug, Serialize)]
struct CostView {
    value: String,
    best: bool,
}

pub(super) fn comparison(merged: &Merged) -> Result<Comparison, RunError> {
    let (description, summaries) = (&merged.description, merged.summaries.as_slice());
    let metric = |key: &&str| METRICS.iter().find(|metric| metric.key == *key);
    let plots = PLOTTED.iter().filter_map(metric).map(|metric| {
        let rows: Vec<(&str, Figure)> = summaries
            .iter()
            .map(|summary| (summary.strategy.as_str(), summary.metrics[metric.key]))
            .collect();
        plots::intervals(metric.label, &rows)
    });
    let plots = plots.collect::<Result<_, _>>()?;
    let best_figures: Vec<Vec<bool>> =
        METRICS.iter().map(|metric| best_of_metric(summaries, metric)).collect();
    let best_costs: Vec<Vec<bool>> = COSTS
        .iter()
        .map(|column| {
            let values = summaries
                .iter()
                .map(|summary| (column.less_is_better && is_compared(summary)).then(|| (column.of)(summary)));
            best(&values.collect::<Vec<_>>(), Better::Lower)
        })
        .collect();
    let strategies = summaries.iter().enumerate().map(|(row, summary)| StrategyView {
        name: summary.strategy.clone(),
        figures: METRICS
            .iter()
            .zip(&best_figures)
            .map(|(metric, best)| figure(&summary.metrics[metric.key], metric.better, best[row]))
            .collect(),
        costs: COSTS
            .iter()
            .zip(&best_costs)
            .map(|(column, best)| CostView { value: column.shown(summary), best: best[row] })
            .collect(),
        problems: summary.problems.clone(),
    });
    Ok(Comparison {
        baseline: description.baseline.clone(),
        similarity: description.similarity.clone(),
        videos: description.videos.len(),
        metrics: METRICS
            .iter()
            .map(|metric| MetricView { label: metric.label, meaning: metric.meaning, better: metric.better })
            .collect(),
        costs: COSTS.iter().map(|column| column.label).collect(),
        strategies: strategies.collect(),
        plots,
    })
}

/// Whether a strategy takes part in the comparison. The replayed references do not, because they are
/// always best.
fn is_compared(summary: &StrategySummary) -> bool {
    summary.strategy != SANITY
}

/// For each strategy, whether it has the best value of a metric that is comparable between strategies.
pub(super) fn best_of_metric(summaries: &[StrategySummary], metric: &Metric) -> Vec<bool> {
    let takes_part = |summary: &&StrategySummary| metric.comparable && is_compared(summary);
    let value = |summary: &StrategySummary| {
        Some(summary).filter(takes_part).map(|summary| summary.metrics[metric.key].value)
    };
    best(&summaries.iter().map(value).collect::<Vec<_>>(), metric.better)
}

fn figure(figure: &Figure, better: Better, best: bool) -> FigureView {
    let difference = figure.difference.as_ref().and_then(shown_difference);
    FigureView {
        value: shown(figure.value).unwrap_or_else(|| "–".to_owned()),
        best,
        interval: shown_interval(figure.interval).map(|(low, high)| format!("{low}–{high}")),
        difference: difference.map(|(value, interval)| match interval {
            Some((low, high)) => format!("{value} ({low} to {high})"),
            None => value,
        }),
        reading: reading(figure, better),
    }
}
