//! Strategies for tests: the replayed references, a baseline, a better one, and one without measurable
//! figures.

use prospect_evaluation::{
    Better, CostSummary, Counts, Difference, Figure, Interval, METRICS, StrategySummary,
};

pub(super) fn summaries() -> Vec<StrategySummary> {
    vec![
        summary("sanity", 1.0, None),
        summary("unlimited", 0.75, None),
        summary("drop_middle:rerotate", 0.875, Some(0.125)),
        summary("mine, \"50%\" & more", f64::NAN, Some(f64::NAN)),
    ]
}

fn summary(name: &str, value: f64, difference: Option<f64>) -> StrategySummary {
    let around = |value: f64| Interval { low: value - 0.0625, high: value + 0.0625 };
    let metrics = METRICS.iter().map(|metric| {
        let value = if metric.better == Better::Higher { value } else { 1.0 - value };
        let difference =
            difference.map(|difference| Difference { value: difference, interval: around(difference) });
        (metric.key, Figure { value, interval: around(value), difference })
    });
    StrategySummary {
        strategy: name.to_owned(),
        videos: 24,
        counts: Counts { matched: 9, mismatched: 1, redundant: 0, missed: 2 },
        metrics: metrics.collect(),
        cost: CostSummary {
            frames: 3192,
            peak_cache_tokens: 384,
            peak_cache_bytes: 98_304,
            evictions: 120,
            tokens_reprefilled: 4096,
            summaries: 0,
            summary_ms: 0.0,
            p50_ms: 4.25,
            p95_ms: 6.5,
            p99_ms: 9.0,
        },
        failed: 0,
        problems: Vec::new(),
        broken_laws: 0,
    }
}
