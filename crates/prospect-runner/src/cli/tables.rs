//! The tables of a suite.

use super::say::fit_table;
use crate::report::cost::COSTS;
use crate::report::figure::{shown, shown_difference, shown_interval};
use prospect_evaluation::{Figure, Interval, METRICS, Metric, StrategySummary};

/// The metrics in the table. JSON and report have all of them.
const SHOWN: [&str; 10] = [
    "f1",
    "exact_f1",
    "precision",
    "recall",
    "missing_rate",
    "redundant_rate",
    "false_speech_per_minute",
    "delay",
    "bleu_4",
    "meteor_exact_stem",
];

/// The quality of the replies: F1 with its interval and its difference to the baseline.
pub(super) fn quality(summaries: &[StrategySummary], baseline: Option<&str>) -> String {
    let metrics: Vec<&Metric> = METRICS.iter().filter(|metric| SHOWN.contains(&metric.key)).collect();
    let mut header = vec!["strategy".to_owned(), "F1".to_owned(), "95% interval".to_owned()];
    if let Some(baseline) = baseline {
        header.push(format!("- {baseline}"));
        header.push("95% interval".to_owned());
    }
    header.extend(metrics.iter().skip(1).map(|metric| metric.label.to_owned()));
    let mut rows = vec![header];
    for summary in summaries {
        let f1 = &summary.metrics["f1"];
        let mut row = vec![summary.strategy.clone(), number(f1.value), interval(f1.interval)];
        if baseline.is_some() {
            row.extend(difference(f1));
        }
        row.extend(metrics.iter().skip(1).map(|metric| number(summary.metrics[metric.key].value)));
        rows.push(row);
    }
    fit_table(&rows)
}

/// The difference and its interval, with a star where 0 lies outside.
fn difference(figure: &Figure) -> [String; 2] {
    let Some(difference) = figure.difference else { return [String::new(), String::new()] };
    let star = if difference.is_clear() { "*" } else { " " };
    let value =
        shown_difference(&difference).map_or_else(|| "- ".to_owned(), |(value, _)| format!("{value}{star}"));
    [value, interval(difference.interval)]
}

/// The cost of the runs.
pub(super) fn cost(summaries: &[StrategySummary]) -> String {
    let labels = COSTS.iter().map(|column| column.label.to_owned());
    let mut rows = vec![std::iter::once("strategy".to_owned()).chain(labels).collect()];
    rows.extend(summaries.iter().map(|summary| {
        let costs = COSTS.iter().map(|column| column.shown(summary));
        std::iter::once(summary.strategy.clone()).chain(costs).collect()
    }));
    fit_table(&rows)
}

fn number(value: f64) -> String {
    shown(value).unwrap_or_else(|| "-".to_owned())
}

fn interval(interval: Interval) -> String {
    shown_interval(interval).map_or_else(|| "-".to_owned(), |(low, high)| format!("{low}..{high}"))
}
