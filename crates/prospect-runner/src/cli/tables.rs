//! The tables of a suite.

use super::table::aligned;
use prospect_evaluation::{Figure, Interval, METRICS, Metric, StrategySummary};

/// Metrics that the terminal has room for; JSON and report have all.
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

/// How right the replies are; F1 with its interval and its difference to the baseline.
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
    aligned(&rows)
}

/// The difference and its interval, with a star where 0 lies outside.
fn difference(figure: &Figure) -> [String; 2] {
    match figure.difference {
        None => [String::new(), String::new()],
        Some(difference) => {
            let star = if difference.is_clear() { "*" } else { " " };
            [format!("{:+.3}{star}", difference.value), interval(difference.interval)]
        }
    }
}

/// What they took.
pub(super) fn cost(summaries: &[StrategySummary]) -> String {
    let header = [
        "strategy",
        "videos",
        "failed",
        "frames",
        "peak tokens",
        "peak KiB",
        "evictions",
        "re-prefilled",
        "summaries s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for summary in summaries {
        let cost = &summary.cost;
        rows.push(vec![
            summary.strategy.clone(),
            summary.videos.to_string(),
            summary.failed.to_string(),
            cost.frames.to_string(),
            cost.peak_cache_tokens.to_string(),
            (cost.peak_cache_bytes / 1024).to_string(),
            cost.evictions.to_string(),
            cost.tokens_reprefilled.to_string(),
            format!("{:.1}", cost.summary_ms / 1e3),
            format!("{:.1}", cost.p50_ms),
            format!("{:.1}", cost.p95_ms),
            format!("{:.1}", cost.p99_ms),
        ]);
    }
    aligned(&rows)
}

fn number(value: f64) -> String {
    if value.is_nan() { "-".to_owned() } else { format!("{value:.3}") }
}

fn interval(interval: Interval) -> String {
    if interval.low.is_nan() {
        return "-".to_owned();
    }
    format!("{}..{}", number(interval.low), number(interval.high))
}
