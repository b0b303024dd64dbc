//! The whole page, from its template.

use std::collections::BTreeSet;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;

use super::comparison::{Comparison, comparison};
use super::run_view::{RunView, run_view};
use super::stream::frame_of_reply;
use super::thumbnails::{Thumbnails, thumbnails};
use crate::error::RunError;
use crate::suite::Merged;
use crate::version::VERSION;
use prospect_evaluation::{TraceError, read_trace};
use prospect_journal::TRACE_FILE;

/// Everything that the template shows of a video.
#[derive(Debug, Serialize)]
struct VideoView {
    name: String,
    source: String,
    /// Pictures by frame, defined once and shown by every strategy.
    thumbnails: Thumbnails,
    runs: Vec<RunView>,
}

/// The page of a suite.
///
/// # Errors
/// [`RunError::Report`]. A trace that cannot be read is told in the place of its run.
pub fn suite_page(merged: &Merged) -> Result<String, RunError> {
    let comparison = comparison(merged)?;
    let mut videos = Vec::with_capacity(merged.description.videos.len());
    for index in 0..merged.description.videos.len() {
        videos.push(video(merged, index)?);
    }
    render(&comparison, &videos).map_err(|error| RunError::Report { problem: error.to_string() })
}

fn video(merged: &Merged, index: usize) -> Result<VideoView, RunError> {
    let entry = &merged.description.videos[index];
    let mut traces = Vec::with_capacity(merged.strategies.len());
    for (runs, folders) in merged.strategies.iter().zip(&merged.folders) {
        let path = folders[index].join(TRACE_FILE);
        traces.push(match read_trace(&path) {
            Ok(events) => (events, None),
            // A run that failed before it began has no trace, and says why itself.
            Err(TraceError::Unreadable { .. }) if runs.runs[index].error.is_some() => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        });
    }
    let spoken: BTreeSet<usize> =
        traces.iter().flat_map(|(events, _)| events).filter_map(frame_of_reply).collect();
    let options = traces.iter().find_map(|(events, _)| events.first());
    let thumbnails = thumbnails(&entry.source, options, &spoken, index);
    let mut runs = Vec::with_capacity(traces.len());
    for (number, (strategy, (events, unreadable))) in merged.strategies.iter().zip(&traces).enumerate() {
        let id = format!("v{index}s{number}");
        let mut view = run_view(id, &strategy.strategy, &strategy.runs[index], events, &thumbnails)?;
        view.unreadable = unreadable.clone();
        runs.push(view);
    }
    let source = entry.source.display().to_string();
    Ok(VideoView { name: entry.name.clone(), source, thumbnails, runs })
}

/// The run that is unfolded from the start: of the first video, the first that evicted something.
fn open_run(videos: &[VideoView]) -> Option<&str> {
    let runs = &videos.first()?.runs;
    runs.iter().find(|run| run.has_evictions()).or(runs.first()).map(RunView::id)
}

/// Escapes whatever comes out of videos and models; only our own SVG goes in as it is.
fn render(comparison: &Comparison, videos: &[VideoView]) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("page.html", include_str!("page.html"))?;
    let style = Value::from_safe_string(include_str!("page.css").to_owned());
    environment.get_template("page.html")?.render(context! {
        style => style,
        comparison => Value::from(Serde(comparison)),
        videos => Value::from(Serde(videos)),
        open_run => open_run(videos),
        version => VERSION,
    })
}
