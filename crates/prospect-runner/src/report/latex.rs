//! A comparison as a LaTeX table for a paper. Columns are aligned in the source as well, and the best
//! value of a column is bold.

use super::comparison::best_of_metric;
use super::figure::{shown, shown_interval};
use prospect_evaluation::{Better, METRICS, Metric, StrategySummary};

/// Keys of the metrics that fit the width of a page. The CSV file has all metrics.
const SHOWN: [&str; 6] = ["f1", "exact_f1", "precision", "recall", "false_speech_per_minute", "delay"];

/// The table of a comparison of `videos` videos, with `\toprule` and similar commands of the package
/// booktabs. An interval follows its value in small digits.
pub fn latex(summaries: &[StrategySummary], videos: usize) -> String {
    let metrics: Vec<&Metric> = METRICS.iter().filter(|metric| SHOWN.contains(&metric.key)).collect();
    let mut rows = vec![vec!["strategy".to_owned()]];
    rows[0].extend(metrics.iter().map(|metric| heading(metric)));
    rows.extend(summaries.iter().map(|summary| vec![escaped(&summary.strategy)]));
    for metric in &metrics {
        let best = best_of_metric(summaries, metric);
        for (row, (summary, best)) in summaries.iter().zip(best).enumerate() {
            rows[row + 1].push(cell(summary, metric, best));
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        format!("  {} \\\\\n", cells.collect::<Vec<_>>().join(" & "))
    };
    let mut table = format!(
        "% Needs \\usepackage{{booktabs}}. {videos} videos; small digits are 95% intervals by a bootstrap over videos.\n"
    );
    table.push_str(&format!("\\begin{{tabular}}{{l{}}}\n  \\toprule\n", "r".repeat(metrics.len())));
    table.push_str(&line(&rows[0]));
    table.push_str("  \\midrule\n");
    rows[1..].iter().for_each(|row| table.push_str(&line(row)));
    table + "  \\bottomrule\n\\end{tabular}\n"
}

fn heading(metric: &Metric) -> String {
    let arrow = match metric.better {
        Better::Higher => " $\\uparrow$",
        Better::Lower => " $\\downarrow$",
        Better::Zero => "",
    };
    escaped(metric.label) + arrow
}

fn cell(summary: &StrategySummary, metric: &Metric, best: bool) -> String {
    let figure = &summary.metrics[metric.key];
    let Some(value) = shown(figure.value) else { return "--".to_owned() };
    // A hyphen in math mode becomes a minus sign.
    let minus = |text: String| if text.starts_with('-') { format!("${text}$") } else { text };
    let value = if best { format!("\\textbf{{{}}}", minus(value)) } else { minus(value) };
    match shown_interval(figure.interval) {
        Some((low, high)) => format!("{value} {{\\scriptsize [{}, {}]}}", minus(low), minus(high)),
        None => value,
    }
}

/// Escapes the characters with a meaning in LaTeX.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::made_up::summaries;
    use super::*;

    #[test]
    fn columns_align_and_the_best_is_bold() {
        insta::assert_snapshot!(latex(&summaries(), 24));
    }

    #[test]
    fn names_are_text() {
        assert_eq!(escaped("drop_all"), "drop\\_all");
        assert_eq!(
            escaped("a\\b{c}~^&%$#"),
            "a\\textbackslash{}b\\{c\\}\\textasciitilde{}\\textasciicircum{}\\&\\%\\$\\#"
        );
    }
}
