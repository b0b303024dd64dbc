//! Reports as tables of aligned columns.

use std::fmt;

use super::report::{Simulation, TokensByKind};
use crate::segment::SegmentKind;

/// One line for each simulation, to compare strategies on the same stream.
///
/// `peak` and `put back` are in tokens; `put back` is the price, the number of tokens that went through the
/// model again. `wait` is the most tokens of a summary for which one frame waited. `oldest` is the age in
/// seconds of the oldest frame in the cache at the end. Then come the share of each kind that survived, and
/// the number of facts that are told by the cache, only by a summary, or by nothing.
pub fn table(simulations: &[Simulation]) -> String {
    aligned(&table_rows(simulations))
}

/// The cells of [`table`], its head first, for whoever lays them out otherwise.
pub fn table_rows(simulations: &[Simulation]) -> Vec<Vec<String>> {
    let head = [
        "strategy",
        "steps",
        "evictions",
        "peak",
        "price",
        "wait",
        "oldest",
        "system",
        "user",
        "frame",
        "assistant",
        "in cache",
        "in summary",
        "lost",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(simulations.iter().map(row));
    rows
}

fn row(simulation: &Simulation) -> Vec<String> {
    let survival = |kind| simulation.survival(kind).map_or("-".to_owned(), percent);
    let oldest = simulation.oldest_frame_age();
    // A stream that tells no facts, such as a recorded one, loses none either.
    let told = |facts: usize| if simulation.facts.is_empty() { "-".to_owned() } else { facts.to_string() };
    vec![
        simulation.strategy.clone(),
        simulation.steps.len().to_string(),
        simulation.evictions.len().to_string(),
        simulation.peak_cache_tokens.to_string(),
        simulation.reprefilled().to_string(),
        simulation.longest_wait().to_string(),
        oldest.map_or("-".to_owned(), |age| format!("{age:.1} s")),
        survival(SegmentKind::System),
        survival(SegmentKind::User),
        survival(SegmentKind::Frame),
        survival(SegmentKind::Assistant),
        told(simulation.facts_in_cache().count()),
        told(simulation.facts_in_summaries().count()),
        told(simulation.facts_lost().count()),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Aligns the first column to the left and the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!("{cell:<width$}")),
                _ => text.push_str(&format!("  {cell:>width$}")),
            }
        }
        text.push('\n');
    }
    text
}

impl fmt::Display for Simulation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.steps.last().map_or(0.0, |step| step.time);
        writeln!(formatter, "{}: {} steps, {seconds:.1} s", self.strategy, self.steps.len())?;
        let evictions = self.evictions.len();
        let per_eviction = self.reprefilled() as f64 / evictions.max(1) as f64;
        writeln!(formatter, "peak {} tokens, {evictions} evictions", self.peak_cache_tokens)?;
        writeln!(formatter, "price {} tokens, {per_eviction:.1} an eviction", self.reprefilled())?;
        if let Some(age) = self.oldest_frame_age() {
            writeln!(formatter, "oldest frame {age:.1} s")?;
        }
        let head = ["tokens", "came in", "put back", "in cache", "survived", "share"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for kind in TokensByKind::KINDS {
            let tokens = [self.came_in, self.put_back, self.in_cache, self.survived];
            let counts = tokens.iter().map(|tokens| tokens.of(kind).to_string());
            let share = self.survival(kind).map_or("-".to_owned(), percent);
            rows.push([kind.to_string()].into_iter().chain(counts).chain([share]).collect());
        }
        formatter.write_str(&aligned(&rows))?;
        let (cached, summed, lost) =
            (self.facts_in_cache().count(), self.facts_in_summaries().count(), self.facts_lost().count());
        writeln!(formatter, "facts: {cached} in the cache, {summed} only in a summary, {lost} lost")
    }
}
