//! The page of a suite: many videos under several strategies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::command::command_line;
use super::comparison::comparison;
use super::facts::{all_changed, facts};
use super::page::{Page, VideoView};
use super::player::player;
use super::run_view::{RunView, run_view};
use super::stream::frame_of_reply;
use super::thumbnails::thumbnails;
use crate::error::RunError;
use crate::strategies::SANITY;
use crate::suite::Merged;
use prospect_evaluation::{TraceError, read_trace};
use prospect_journal::TRACE_FILE;
use prospect_session::Event;

/// Most videos that the command names one by one. For more videos it names their folders.
const MOST_NAMED: usize = 24;
/// Strategy whose cache length is not a setting of the user.
const UNLIMITED: &str = "unlimited";

/// The page of a suite, to be stored in `folder`.
///
/// # Errors
/// [`RunError::Report`]. A trace that cannot be read is reported in its run's place on the page.
pub fn suite_page(merged: &Merged, folder: &Path) -> Result<String, RunError> {
    let comparison = comparison(merged)?;
    let mut videos = Vec::with_capacity(merged.description.videos.len());
    // The first event of each strategy's first run.
    let mut starts: BTreeMap<usize, Event> = BTreeMap::new();
    for index in 0..merged.description.videos.len() {
        videos.push(video(merged, index, folder, &mut starts)?);
    }
    let count =
        |count: usize, what: &str, many: &str| format!("{count} {}", if count == 1 { what } else { many });
    let page = Page {
        title: format!(
            "Prospect: {}, {}",
            count(videos.len(), "video", "videos"),
            count(merged.strategies.len(), "strategy", "strategies")
        ),
        heading: "Strategies compared".to_owned(),
        facts: facts(&model_runs(&starts), Some(command(merged, &starts))),
        comparison: Some(comparison),
        open_run: open_run(&videos).map(str::to_owned),
        videos,
    };
    page.render()
}

/// The first events of the runs with a model.
fn model_runs(starts: &BTreeMap<usize, Event>) -> Vec<&Event> {
    starts.values().filter(|start| strategy_of(start) != SANITY).collect()
}

fn strategy_of(start: &Event) -> &str {
    match start {
        Event::RunStarted { strategy, .. } => strategy,
        _ => "",
    }
}

/// The command that repeats the suite.
fn command(merged: &Merged, starts: &BTreeMap<usize, Event>) -> String {
    let description = &merged.description;
    let all = model_runs(starts).into_iter();
    let bounded: Vec<&Event> = all.clone().filter(|start| strategy_of(start) != UNLIMITED).collect();
    let mut changed = match bounded.is_empty() {
        true => all_changed(all),
        false => all_changed(bounded.into_iter()),
    };
    // Both are part of --strategies.
    changed.retain(|key, _| key != "context.strategy" && !key.ends_with(".positions"));
    let sources = description.videos.iter().map(|video| video.source.as_path());
    let sources: Vec<String> = match description.videos.len() > MOST_NAMED {
        true => {
            let folders: BTreeSet<&Path> = sources.filter_map(Path::parent).collect();
            folders.into_iter().map(|folder| folder.display().to_string()).collect()
        }
        false => sources.map(|source| source.display().to_string()).collect(),
    };
    let strategies: Vec<&str> = description.strategies.iter().map(|entry| entry.name.as_str()).collect();
    let strategies = strategies.join(",");
    let mut words = vec!["compare"];
    words.extend(sources.iter().map(String::as_str));
    words.extend(["--strategies", &strategies]);
    if let Some(baseline) = &description.baseline {
        words.extend(["--baseline", baseline]);
    }
    command_line(&words, &changed)
}

fn video(
    merged: &Merged,
    index: usize,
    folder: &Path,
    starts: &mut BTreeMap<usize, Event>,
) -> Result<VideoView, RunError> {
    let entry = &merged.description.videos[index];
    let mut traces = Vec::with_capacity(merged.strategies.len());
    for (number, (runs, folders)) in merged.strategies.iter().zip(&merged.folders).enumerate() {
        let path = folders[index].join(TRACE_FILE);
        let read = match read_trace(&path) {
            Ok(events) => (events, None),
            // A run that failed before its first event has no trace, but has an error message.
            Err(TraceError::Unreadable { .. }) if runs.runs[index].error.is_some() => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        if let Some(start) = read.0.first() {
            starts.entry(number).or_insert_with(|| start.clone());
        }
        traces.push(read);
    }
    let spoken: BTreeSet<usize> =
        traces.iter().flat_map(|(events, _)| events).filter_map(frame_of_reply).collect();
    let options = traces.iter().find_map(|(events, _)| events.first());
    let thumbnails = thumbnails(&entry.source, options, &spoken, index);
    let mut runs = Vec::with_capacity(traces.len());
    for (number, (strategy, (events, unreadable))) in merged.strategies.iter().zip(&traces).enumerate() {
        let id = format!("v{index}s{number}");
        let mut view = run_view(id, &strategy.strategy, (&strategy.runs[index], true), events, &thumbnails)?;
        view.unreadable = unreadable.clone();
        runs.push(view);
    }
    let (name, source) = (entry.name.clone(), entry.source.display().to_string());
    Ok(VideoView { name, source, player: player(&entry.source, folder), thumbnails, runs })
}

/// Id of the run that is unfolded at first: the first run of the first video with an eviction.
fn open_run(videos: &[VideoView]) -> Option<&str> {
    let runs = &videos.first()?.runs;
    runs.iter().find(|run| run.has_evictions()).or(runs.first()).map(RunView::id)
}
