//! What `compare`, `eval` and `merge` have in common: a suite run, its tables and its report.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::arguments::{CommonArguments, SuiteArguments};
use super::print;
use super::run::output_folder;
use super::tables;
use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::evaluation::{StrategySummary, similarity};
use crate::report;
use crate::suite::{Merged, SANITY, Shard, Store, Suite, Variant, Video, merge, videos};

/// The strategy that the others are compared with where nothing else is asked for and it is among them.
const BASELINE: &str = "unlimited";

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    videos: usize,
    baseline: Option<&'a str>,
    similarity: &'a str,
    report: String,
    strategies: &'a [StrategySummary],
}

/// Runs `sources` under `strategies`, and shows the suite once all of it is there.
pub(super) fn run(
    arguments: &SuiteArguments,
    common: &CommonArguments,
    sources: &[PathBuf],
    strategies: &[String],
    name: &str,
) -> Result<(), RunError> {
    let Some(settings) = common.resolve_or_print()? else { return Ok(()) };
    let shard = match arguments.shard {
        Some(shard) => shard,
        None => Shard::from_scheduler(|name| std::env::var(name).ok())?.unwrap_or(Shard::WHOLE),
    };
    let videos = videos(sources)?;
    let checkpoint = Checkpoint::load_for_stream(&settings)?;
    let similarity = similarity(&settings)?;
    let folder = output_folder(&settings, name);
    let suite = Suite {
        videos,
        variants: variants(common, strategies, &checkpoint)?,
        baseline: baseline(arguments, strategies)?,
        store: Store::new(&folder),
        checkpoint: &checkpoint,
        similarity: similarity.as_ref(),
    };
    let bar = progress_bar(suite.runs(shard));
    let mut progress = |variant: &Variant, video: &Video| {
        bar.set_message(format!("{} {}", variant.name, video.name));
        bar.inc(1);
    };
    let done = suite.run(shard, &mut progress);
    bar.finish_and_clear();
    done?;
    match merge(std::slice::from_ref(&folder)) {
        Ok(merged) => show(&merged, &folder, settings.output.json),
        // The other shards are still at work, or write elsewhere.
        Err(RunError::MissingResults { missing, of, .. }) if shard != Shard::WHOLE => {
            let folder = folder.display();
            print(&format!("shard {shard} is done; {missing} of {of} results are not in {folder} yet"));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The tables (or JSON) and the report of a whole suite; fails if a run failed or a law is broken.
pub(super) fn show(merged: &Merged, folder: &Path, json: bool) -> Result<(), RunError> {
    let page = report::suite_page(merged)?;
    let report = Store::new(folder).put_text(report::FILE_NAME, &page)?;
    let summaries = &merged.summaries;
    if json {
        let printed = Printed {
            videos: merged.description.videos.len(),
            baseline: merged.description.baseline.as_deref(),
            similarity: &merged.description.similarity,
            report: report.display().to_string(),
            strategies: summaries,
        };
        // Numbers and strings always serialise.
        print(&serde_json::to_string_pretty(&printed).unwrap_or_default());
    } else {
        print(&tables::quality(summaries, merged.description.baseline.as_deref()));
        print(&format!("\n{}", tables::cost(summaries)));
        for summary in summaries {
            summary.problems.iter().for_each(|problem| print(&format!("{}: {problem}", summary.strategy)));
        }
        print(&format!("report: {}", report.display()));
    }
    let broken: usize = summaries.iter().map(|summary| summary.broken_laws).sum();
    let failed: usize = summaries.iter().map(|summary| summary.failed).sum();
    if broken > 0 {
        let first = summaries.iter().find(|summary| summary.broken_laws > 0);
        let first = first.map(|summary| format!("{}: {}", summary.strategy, summary.problems.join("; ")));
        return Err(RunError::BrokenLaws { broken, first: first.unwrap_or_default() });
    }
    if failed > 0 { Err(RunError::FailedRuns { failed }) } else { Ok(()) }
}

fn variants(
    common: &CommonArguments,
    strategies: &[String],
    checkpoint: &Checkpoint,
) -> Result<Vec<Variant>, RunError> {
    let unlimited = checkpoint.model.config().text_config.max_position_embeddings;
    let variant = |name: &String| {
        let settings = match name.as_str() {
            SANITY => common.resolve()?,
            name => common.with_strategy(name, unlimited)?,
        };
        checkpoint.check_stream(&settings)?;
        Ok(Variant { name: name.clone(), settings })
    };
    strategies.iter().map(variant).collect()
}

fn baseline(arguments: &SuiteArguments, strategies: &[String]) -> Result<Option<String>, RunError> {
    match &arguments.baseline {
        Some(name) if !strategies.contains(name) => Err(RunError::Argument {
            argument: format!("--baseline {name}"),
            problem: "is none of the strategies".to_owned(),
            expected: format!("one of {}", strategies.join(", ")),
        }),
        Some(name) => Ok(Some(name.clone())),
        None if strategies.iter().any(|name| name == BASELINE) => Ok(Some(BASELINE.to_owned())),
        None => Ok(strategies.iter().find(|name| *name != SANITY).cloned().filter(|_| strategies.len() > 1)),
    }
}

fn progress_bar(runs: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(runs as u64);
    // A template that does not parse leaves the default bar.
    match ProgressStyle::with_template("{bar:40} {pos}/{len} runs, {eta} left  {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
