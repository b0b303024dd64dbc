//! A comparison as CSV (RFC 4180): one row per strategy, with all digits.

use super::cost::COSTS;
use prospect_evaluation::{Figure, METRICS, StrategySummary};

/// The table of a comparison. A value that cannot be measured is an empty field.
pub fn csv(summaries: &[StrategySummary]) -> String {
    let mut header = vec!["strategy".to_owned()];
    for metric in METRICS {
        let key = metric.key;
        let parts = ["", "_low", "_high", "_difference", "_difference_low", "_difference_high"];
        header.extend(parts.map(|part| format!("{key}{part}")));
    }
    header.extend(COSTS.iter().map(|column| column.key.to_owned()));
    let row = |summary: &StrategySummary| {
        let mut row = vec![quoted(&summary.strategy)];
        row.extend(METRICS.iter().flat_map(|metric| figure(&summary.metrics[metric.key])));
        row.extend(COSTS.iter().map(|column| number((column.of)(summary))));
        row
    };
    let rows = std::iter::once(header).chain(summaries.iter().map(row));
    rows.map(|row| row.join(",") + "\n").collect()
}

fn figure(figure: &Figure) -> [String; 6] {
    let difference = figure.difference.as_ref();
    let (value, interval) = (difference.map(|of| of.value), difference.map(|of| of.interval));
    let all = [
        Some(figure.value),
        Some(figure.interval.low),
        Some(figure.interval.high),
        value,
        interval.map(|interval| interval.low),
        interval.map(|interval| interval.high),
    ];
    all.map(|value| value.map_or_else(String::new, number))
}

fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// Quotes a field that contains a separator.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_up::summaries;
    use super::*;

    #[test]
    fn a_row_a_strategy_and_nothing_where_nothing_was_measured() {
        let table = csv(&summaries());
        insta::assert_snapshot!(table);
        let columns: Vec<usize> = table.lines().take(4).map(|line| line.split(',').count()).collect();
        assert!(columns.iter().all(|count| *count == 1 + 6 * METRICS.len() + COSTS.len()), "{columns:?}");
    }
}
