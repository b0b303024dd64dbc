//! What `compare`, `eval` and `merge` have in common: a suite run, its tables and its report.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::arguments::SuiteArguments;
use super::common::VideoArguments;
use super::output_folder::{OtherSuite, suite_folder};
use super::say::{complain, print, print_fitted};
use super::tables;
use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::progress::progress_bar;
use crate::report;
use crate::silent_forever::{self, Listener};
use crate::similarity::similarity;
use crate::strategies::{Registry, SANITY};
use crate::suite::{
    Merged, RunResult, Shard, ShardOutcome, SharedInputs, Store, Suite, Told, Variant, Video, merge, videos,
    with_annotations,
};
use prospect_config::Settings;
use prospect_evaluation::annotations::Annotations;
use prospect_evaluation::{LEAST_VIDEOS, StrategySummary};
use prospect_foreign::one_line;

/// The default baseline, if it is among the strategies.
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

/// Runs `sources` under `strategies`, and shows the suite when it is complete.
pub(super) fn run(
    arguments: &SuiteArguments,
    common: &VideoArguments,
    registry: &Registry,
    sources: &[PathBuf],
    strategies: &[String],
    name: &str,
    interrupt: &Interrupt,
) -> Result<(), RunError> {
    let Some(settings) = common.resolve_or_print(registry)? else { return Ok(()) };
    let shard = chosen_shard(arguments.shard)?;
    check_strategies(strategies)?;
    let baseline = baseline(arguments, strategies)?;
    let videos = with_annotations(videos(sources, settings.evaluation.annotations.as_deref())?)?;
    check_somebody_speaks(&settings, &videos)?;
    let (checkpoint, settings) = Checkpoint::load_for_stream(&settings, interrupt)?;
    let similarity = similarity(&settings)?;
    let variants = variants(common, registry, strategies, &checkpoint)?;
    let inputs = SharedInputs::of_all(&variants, &checkpoint.files)?;
    let other = |folder: &Path| other_suite(folder, &variants, &inputs, &videos);
    let folder = suite_folder(&settings, name, arguments.overwrite, other)?;
    let suite = Suite {
        videos,
        variants,
        inputs,
        baseline,
        store: Store::new(&folder),
        strategies: registry,
        checkpoint: &checkpoint,
        interrupt,
        checkpoint_every: arguments.checkpoint_every,
        similarity: similarity.as_ref(),
    };
    let bar = progress_bar(suite.runs(shard), "runs");
    let (mut count, runs) = (0, suite.runs(shard));
    let mut progress = |told: Told<'_>| match told {
        Told::Note(note) => complain("note", note),
        Told::Result(variant, video, result) => {
            count += 1;
            bar.set_message(one_line(format!("{} {}", variant.name, video.name)));
            bar.inc(1);
            if bar.is_hidden() {
                complain("run", &result_line((count, runs), variant, video, result));
            }
        }
    };
    let outcome = suite.run(shard, &mut progress);
    bar.finish_and_clear();
    let outcome = outcome?;
    if outcome.missing == 0 {
        return show(&merge(std::slice::from_ref(&folder))?, &folder, settings.output.json);
    }
    // The other shards are still running, or write into other folders.
    if settings.output.json {
        print(&serde_json::json!({ "shard": shard.to_string(), "missing": outcome.missing }).to_string());
    } else {
        let (missing, folder) = (outcome.missing, folder.display());
        print(&format!("shard {shard} is done; {missing} other results are not in {folder} yet"));
    }
    match outcome {
        ShardOutcome { broken_laws: broken @ 1.., .. } => {
            Err(RunError::BrokenLaws { broken, first: format!("see {}", folder.display()) })
        }
        ShardOutcome { failed: failed @ 1.., .. } => Err(RunError::FailedRuns { failed }),
        _ => Ok(()),
    }
}

/// What a suite of these strategies and videos would replace in a folder.
fn other_suite(
    folder: &Path,
    variants: &[Variant],
    inputs: &[SharedInputs],
    videos: &[(Video, Annotations)],
) -> Option<OtherSuite> {
    let (store, videos) = (Store::new(folder), videos.iter().map(|(video, _)| video));
    match store.is_for(videos.clone()) {
        true => store.first_lost(variants, inputs, videos).map(OtherSuite::Result),
        false => Some(OtherSuite::Videos),
    }
}

/// Refuses a suite if the assistant could not speak in any of its videos.
fn check_somebody_speaks(settings: &Settings, videos: &[(Video, Annotations)]) -> Result<(), RunError> {
    let check = |annotations| silent_forever::check(settings, Some(annotations), Listener::Nobody, || None);
    let mut checks = videos.iter().map(|(_, annotations)| check(annotations));
    match checks.next() {
        Some(Err(refusal)) if checks.all(|check| check.is_err()) => Err(refusal),
        _ => Ok(()),
    }
}

/// The part of the runs that this process does: the argument, or else the variables of a scheduler, which a
/// note reports.
fn chosen_shard(asked: Option<Shard>) -> Result<Shard, RunError> {
    let variable = |name: &str| std::env::var(name).ok();
    match (asked, Shard::from_scheduler(variable)) {
        (Some(shard), Ok(None)) => Ok(shard),
        (Some(shard), Ok(Some((_, said)))) => {
            complain("note", &format!("--shard {shard} is done, whatever the scheduler says ({said})"));
            Ok(shard)
        }
        (Some(shard), Err(_)) => Ok(shard),
        (None, scheduled) => match scheduled? {
            Some((shard, said)) => {
                complain("note", &format!("shard {shard} is done, by {said}"));
                Ok(shard)
            }
            None => Ok(Shard::WHOLE),
        },
    }
}

/// The line of one run in a log.
fn result_line(
    (count, runs): (usize, usize),
    variant: &Variant,
    video: &Video,
    result: &RunResult,
) -> String {
    let became = match &result.error {
        Some(error) => format!("failed: {error}"),
        None if !result.broken_laws.is_empty() => format!("{} laws broken", result.broken_laws.len()),
        None => {
            format!("exact F1 {:.3}, {:.0} s of video", result.judgement.exact.f1(), result.judgement.seconds)
        }
    };
    format!("{count} of {runs}: {} {}: {became}", variant.name, video.name)
}

/// Refuses a strategy that is named twice: both would use the same folder.
fn check_strategies(strategies: &[String]) -> Result<(), RunError> {
    let twice = (1..strategies.len()).find(|index| strategies[..*index].contains(&strategies[*index]));
    match twice {
        None => Ok(()),
        Some(index) => Err(RunError::Argument {
            argument: "--strategies".to_owned(),
            problem: format!("names {} twice", strategies[index]),
            expected: "every strategy once".to_owned(),
        }),
    }
}

/// The tables (or JSON) and the report of a whole suite; fails if a run failed or a law is broken.
pub(super) fn show(merged: &Merged, folder: &Path, json: bool) -> Result<(), RunError> {
    let summaries = &merged.summaries;
    let baseline = merged.description.baseline.as_deref();
    let videos = merged.description.videos.len();
    if !json {
        print(&tables::quality(summaries, baseline));
        print(&format!("\n{}", tables::cost(summaries)));
        if videos < LEAST_VIDEOS {
            print_fitted(&format!("no intervals: these need at least {LEAST_VIDEOS} videos"));
        }
        for summary in summaries {
            summary
                .problems
                .iter()
                .for_each(|problem| print_fitted(&format!("{}: {problem}", summary.strategy)));
        }
    }
    // Figures are printed and written before the page, so that a failure of the page loses nothing.
    let store = Store::new(folder);
    store.put_text(report::CSV_NAME, &report::csv(summaries))?;
    store.put_text(report::LATEX_NAME, &report::latex(summaries, videos))?;
    let report = store.put_text(report::FILE_NAME, &report::suite_page(merged, folder)?)?;
    if json {
        let similarity = &merged.description.similarity;
        let report = report.display().to_string();
        let printed = Printed { videos, baseline, similarity, report, strategies: summaries };
        // Numbers and strings always serialise.
        print(&serde_json::to_string_pretty(&printed).unwrap_or_default());
    } else {
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
    common: &VideoArguments,
    registry: &Registry,
    strategies: &[String],
    checkpoint: &Checkpoint,
) -> Result<Vec<Variant>, RunError> {
    let unlimited = checkpoint.model.config().text_config.max_position_embeddings;
    let variant = |name: &String| {
        let settings = match name.as_str() {
            SANITY => common.resolve(registry)?,
            name => common.with_strategy(registry, name, unlimited)?,
        };
        let settings = checkpoint.fit(settings)?;
        registry.overflow_rule(&settings.context)?;
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
