//! `prospect-runner compare`: the same videos under several strategies.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::ProgressBar;
use prospect_config::Settings;
use serde::Serialize;

use super::arguments::CompareArguments;
use super::print;
use super::run::output_folder;
use super::table::aligned;
use crate::annotations::Annotations;
use crate::checkpoint::Checkpoint;
use crate::display::Silent;
use crate::error::RunError;
use crate::evaluation::{ExactCounts, Interval, bootstrap, exact_counts};
use crate::run;
use crate::trace::TraceWriter;

/// What is compared where nothing else is asked for.
const ALL: [&str; 13] = [
    "unlimited",
    "summarize_and_drop",
    "summarize_with_dst",
    "drop_middle:rerotate",
    "drop_middle:recompute",
    "drop_middle:preserve",
    "drop_middle:legacy",
    "sink_window:rerotate",
    "sink_window:recompute",
    "sink_window:preserve",
    "sink_window:legacy",
    "drop_all",
    "none",
];

/// One row of the table.
#[derive(Debug, Serialize)]
struct Row {
    strategy: String,
    videos: usize,
    counts: ExactCounts,
    f1: f64,
    f1_interval: Interval,
    false_speech: f64,
    false_speech_interval: Interval,
    overflows: usize,
    /// Runs that ended with an error, and the first error.
    failed: usize,
    first_error: Option<String>,
    peak_cache_tokens: usize,
    seconds: f64,
}

pub(super) fn compare(arguments: &CompareArguments) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print()? else { return Ok(()) };
    let strategies = match arguments.strategies.as_slice() {
        [] => ALL.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    let videos = videos(&arguments.sources)?;
    let checkpoint = Checkpoint::load_for_stream(&settings)?;
    let unlimited = checkpoint.model.config().text_config.max_position_embeddings;
    let variants = strategies.iter().map(|strategy| {
        let settings = arguments.common.with_strategy(strategy, unlimited)?;
        checkpoint.check_stream(&settings)?;
        Ok(settings)
    });
    let variants = variants.collect::<Result<Vec<_>, RunError>>()?;
    let folder = output_folder(&settings, "compare");
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new((videos.len() * variants.len()) as u64)
    } else {
        ProgressBar::hidden()
    };
    let mut rows = Vec::new();
    for (strategy, settings) in strategies.iter().zip(&variants) {
        let folder = folder.join(strategy.replace(':', "_"));
        rows.push(row(strategy, settings, &checkpoint, &videos, &folder, &bar)?);
    }
    bar.finish_and_clear();
    if settings.output.json {
        // Numbers and strings always serialise.
        print(&serde_json::to_string_pretty(&rows).unwrap_or_default());
    } else {
        print(&table(&rows));
    }
    match rows.iter().map(|row| row.failed).sum() {
        0 => Ok(()),
        failed => Err(RunError::FailedRuns { failed }),
    }
}

/// Every video that has annotations: the sources themselves, or what lies in them.
fn videos(sources: &[PathBuf]) -> Result<Vec<PathBuf>, RunError> {
    let mut videos = Vec::new();
    for source in sources {
        if Annotations::beside(source).is_some() {
            videos.push(source.clone());
            continue;
        }
        let entries = std::fs::read_dir(source).map_err(|error| RunError::Argument {
            argument: source.display().to_string(),
            problem: error.to_string(),
            expected: "a video with annotations beside it, or a folder of such videos".to_owned(),
        })?;
        let inside = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let is_video = |path: &PathBuf| {
            path.extension().is_none_or(|extension| extension != "json")
                && Annotations::beside(path).is_some()
        };
        let mut inside: Vec<PathBuf> = inside.filter(is_video).collect();
        inside.sort();
        videos.extend(inside);
    }
    if videos.is_empty() {
        return Err(RunError::Argument {
            argument: sources.iter().map(|source| source.display().to_string()).collect::<Vec<_>>().join(" "),
            problem: "no video with annotations beside it (VIDEO.json)".to_owned(),
            expected: "at least one".to_owned(),
        });
    }
    Ok(videos)
}

fn row(
    strategy: &str,
    settings: &Settings,
    checkpoint: &Checkpoint,
    videos: &[PathBuf],
    folder: &Path,
    bar: &ProgressBar,
) -> Result<Row, RunError> {
    let started = Instant::now();
    let mut counts = Vec::with_capacity(videos.len());
    let (mut overflows, mut peak_cache_tokens, mut errors) = (0, 0, Vec::new());
    for video in videos {
        let source = video.display().to_string();
        let annotations = run::annotations_of(settings, &source)?.unwrap_or_default();
        let mut trace = TraceWriter::in_folder(&output_of(folder, video));
        match run::run(settings, checkpoint, &source, Some(&annotations), &mut trace, &mut Silent) {
            Ok(outcome) => {
                counts.push(exact_counts(&outcome, &annotations, settings.stream.fps));
                overflows += outcome.statistics.overflows;
                peak_cache_tokens = peak_cache_tokens.max(outcome.statistics.peak_cache_tokens);
            }
            Err(RunError::Interrupted) => return Err(RunError::Interrupted),
            Err(error) => {
                // What a failed run was to say was not said.
                counts
                    .push(ExactCounts { references: annotations.references().count(), ..Default::default() });
                errors.push(format!("{source}: {error}"));
            }
        }
        bar.inc(1);
    }
    let total = |sample: &[usize]| sample.iter().map(|&index| counts[index]).sum::<ExactCounts>();
    let all: ExactCounts = counts.iter().copied().sum();
    Ok(Row {
        strategy: strategy.to_owned(),
        videos: counts.len(),
        f1: all.f1(),
        f1_interval: bootstrap(counts.len(), |sample| total(sample).f1()),
        false_speech: all.false_speech_share(),
        false_speech_interval: bootstrap(counts.len(), |sample| total(sample).false_speech_share()),
        counts: all,
        overflows,
        failed: errors.len(),
        first_error: errors.into_iter().next(),
        peak_cache_tokens,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn output_of(folder: &Path, video: &Path) -> PathBuf {
    folder.join(video.file_stem().unwrap_or(video.as_os_str()))
}

fn table(rows: &[Row]) -> String {
    let header = [
        "strategy",
        "videos",
        "F1",
        "95% interval",
        "precision",
        "recall",
        "false speech",
        "overflows",
        "peak tokens",
        "seconds",
        "failed",
    ];
    let mut cells = vec![header.map(str::to_owned).to_vec()];
    for row in rows {
        let Interval { low, high } = row.f1_interval;
        cells.push(vec![
            row.strategy.clone(),
            row.videos.to_string(),
            format!("{:.3}", row.f1),
            format!("{low:.3}..{high:.3}"),
            format!("{:.3}", row.counts.precision()),
            format!("{:.3}", row.counts.recall()),
            format!("{:.2}%", row.false_speech * 100.0),
            row.overflows.to_string(),
            row.peak_cache_tokens.to_string(),
            format!("{:.1}", row.seconds),
            row.failed.to_string(),
        ]);
    }
    let errors =
        rows.iter().filter_map(|row| Some(format!("\n{}: {}", row.strategy, row.first_error.as_ref()?)));
    aligned(&cells) + &errors.collect::<String>()
}
