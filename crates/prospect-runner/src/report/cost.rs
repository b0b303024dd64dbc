//! The cost of a strategy's runs as columns, which all tables share.

use prospect_evaluation::StrategySummary;

/// A column.
pub(crate) struct CostColumn {
    /// Heading in tables.
    pub(crate) label: &'static str,
    /// Name in files.
    pub(crate) key: &'static str,
    /// Whether a lower value is better. In other columns no value is better than another.
    pub(crate) less_is_better: bool,
    decimals: usize,
    /// Reads the value.
    pub(crate) of: fn(&StrategySummary) -> f64,
}

impl CostColumn {
    /// The value as tables show it.
    pub(crate) fn shown(&self, summary: &StrategySummary) -> String {
        let (value, decimals) = ((self.of)(summary), self.decimals);
        if value.is_finite() { format!("{value:.decimals$}") } else { "–".to_owned() }
    }
}

const fn neutral(
    label: &'static str,
    key: &'static str,
    decimals: usize,
    of: fn(&StrategySummary) -> f64,
) -> CostColumn {
    CostColumn { label, key, less_is_better: false, decimals, of }
}

const fn less(
    label: &'static str,
    key: &'static str,
    decimals: usize,
    of: fn(&StrategySummary) -> f64,
) -> CostColumn {
    CostColumn { label, key, less_is_better: true, decimals, of }
}

/// All columns, in order.
pub(crate) const COSTS: &[CostColumn] = &[
    neutral("videos", "videos", 0, |summary| summary.videos as f64),
    neutral("failed", "failed", 0, |summary| summary.failed as f64),
    neutral("frames", "frames", 0, |summary| summary.cost.frames as f64),
    less("peak tokens", "peak_cache_tokens", 0, |summary| summary.cost.peak_cache_tokens as f64),
    less("peak KiB", "peak_cache_kib", 0, |summary| (summary.cost.peak_cache_bytes / 1024) as f64),
    neutral("evictions", "evictions", 0, |summary| summary.cost.evictions as f64),
    neutral("re-prefilled", "tokens_reprefilled", 0, |summary| summary.cost.tokens_reprefilled as f64),
    neutral("summaries", "summaries", 0, |summary| summary.cost.summaries as f64),
    neutral("summaries s", "summary_s", 1, |summary| summary.cost.summary_ms / 1e3),
    less("p50 ms", "p50_ms", 1, |summary| summary.cost.p50_ms),
    less("p95 ms", "p95_ms", 1, |summary| summary.cost.p95_ms),
    less("p99 ms", "p99_ms", 1, |summary| summary.cost.p99_ms),
];
