//! The view of one run, from its trace.

use serde::Serialize;

use super::clock::clock;
use super::memory::memory;
use super::plots;
use super::rows::{Row, kinds, rows};
use super::stream::{Stream, frame_of_reply};
use super::thumbnails::Thumbnails;
use super::timeline::{Timeline, timeline};
use crate::error::RunError;
use crate::layout::counted;
use prospect_evaluation::{Verdict, VideoRun};
use prospect_session::{Event, PutBack};

/// Most notes that are shown of a run.
const MOST_NOTES: usize = 20;

/// The data of one run.
#[derive(Debug, Serialize)]
pub(super) struct RunView {
    id: String,
    strategy: String,
    error: Option<String>,
    /// Why its trace could not be read.
    pub(super) unreadable: Option<String>,
    broken_laws: Vec<String>,
    /// As in `12 matched, 1 missed, ...`.
    outcome: String,
    /// How much of the stream the cache holds, and what an eviction leaves.
    memory: Option<String>,
    timeline: Timeline,
    rows: Vec<Row>,
    kinds: Vec<(&'static str, usize)>,
    /// Events of the source, one per line.
    notes: Vec<String>,
    evictions: Vec<EvictionRow>,
    summaries: Vec<SummaryRow>,
    cache_plot: Option<String>,
    time_plot: Option<String>,
    /// For live streams: the pace in words and as plots.
    pace: Option<PaceView>,
}

#[derive(Debug, Serialize)]
struct PaceView {
    outcome: String,
    lag_plot: String,
    queue_plot: String,
}

impl RunView {
    /// Id of the run's HTML element.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn has_evictions(&self) -> bool {
        !self.evictions.is_empty()
    }
}

#[derive(Debug, Serialize)]
struct EvictionRow {
    seconds: f64,
    time: String,
    before: usize,
    after: usize,
    /// Kept ranges as parts of a bar, from 0 to 100.
    bar: Vec<(f64, f64)>,
    kept: String,
    put_back: String,
    positions: String,
    ms: String,
}

#[derive(Debug, Serialize)]
struct SummaryRow {
    time: String,
    prompt: String,
    text: String,
    /// For a summary written ahead of the overflow: it covers the stream up to this slot.
    covers: Option<usize>,
    ms: String,
}

/// The view of a run. `judged` says whether there are references for its replies.
pub(super) fn run_view(
    id: String,
    strategy: &str,
    (run, judged): (&VideoRun, bool),
    events: &[Event],
    thumbnails: &Thumbnails,
) -> Result<RunView, RunError> {
    let stream = Stream::of(events);
    let judgement = &run.judgement;
    let frames_of_replies: Vec<usize> = events.iter().filter_map(frame_of_reply).collect();
    let rows = rows(judgement, judged, events, &frames_of_replies, thumbnails);
    let marks: Vec<(f64, String)> = events.iter().filter_map(eviction_mark).collect();
    let end = stream.frames.last().map_or(0.0, |frame| frame.time).max(1.0);
    Ok(RunView {
        id,
        strategy: strategy.to_owned(),
        error: run.error.clone(),
        unreadable: None,
        broken_laws: run.broken_laws.clone(),
        outcome: if judged { outcome(run) } else { unjudged_outcome(run) },
        memory: memory(events),
        timeline: timeline(judgement, judged, &frames_of_replies, &marks, end, thumbnails),
        kinds: kinds(&rows),
        rows,
        notes: notes(events),
        evictions: events.iter().filter_map(eviction).collect(),
        summaries: events.iter().filter_map(summary).collect(),
        cache_plot: stream.has_cache().then(|| plots::cache(&stream)).transpose()?,
        time_plot: stream.has_cache().then(|| plots::frame_times(&stream)).transpose()?,
        pace: (!stream.pace.is_empty()).then(|| pace(&stream)).transpose()?,
    })
}

fn pace(stream: &Stream) -> Result<PaceView, RunError> {
    let missed = stream.pace.iter().filter(|point| point.missed).count();
    let (frames, dropped) = (stream.pace.len(), stream.dropped.len());
    Ok(PaceView {
        outcome: format!("{missed} of {frames} deadlines missed, {dropped} frames dropped"),
        lag_plot: plots::lag(stream)?,
        queue_plot: plots::queue(stream)?,
    })
}

fn outcome(run: &VideoRun) -> String {
    let count = |verdict| run.judgement.replies.iter().filter(|reply| reply.verdict == verdict).count();
    let missed = run.judgement.missed().into_iter().filter(|missed| *missed).count();
    let parts = [
        (count(Verdict::Matched), "matched"),
        (count(Verdict::Mismatched), "mismatched"),
        (count(Verdict::Redundant), "redundant"),
        (missed, "missed"),
        (run.cost.evictions, "evictions"),
    ];
    parts.map(|(count, name)| format!("{count} {name}")).join(", ")
}

/// The outcome of a run without references.
fn unjudged_outcome(run: &VideoRun) -> String {
    let (replies, evictions) = (run.judgement.replies.len(), run.cost.evictions);
    format!("{}, {}", counted(replies, "reply", "replies"), counted(evictions, "eviction", "evictions"))
}

/// Notes about the source. If there are many, for example from a camera that is lost every minute, only
/// the first ones are shown.
fn notes(events: &[Event]) -> Vec<String> {
    let told = |event: &Event| match event {
        Event::SourceNote { message } | Event::SourceInterrupted { message } => Some(message.clone()),
        Event::FrameDropped { reason, index: None, .. } => Some(format!("a frame was lost: {reason}")),
        _ => None,
    };
    let all: Vec<String> = events.iter().filter_map(told).collect();
    let more = all.len().saturating_sub(MOST_NOTES);
    let mut notes: Vec<String> = all.into_iter().take(MOST_NOTES).collect();
    notes.extend((more > 0).then(|| format!("and {more} more")));
    notes
}

fn eviction_mark(event: &Event) -> Option<(f64, String)> {
    let Event::Overflow { time, tokens_before, tokens_after, .. } = event else { return None };
    Some((*time, format!("{} eviction: {tokens_before} to {tokens_after} tokens", clock(*time))))
}

fn eviction(event: &Event) -> Option<EvictionRow> {
    let Event::Overflow { time, tokens_before, tokens_after, kept, put_back, positions, ms, .. } = event
    else {
        return None;
    };
    let share = |tokens: usize| (1e4 * tokens as f64 / (*tokens_before).max(1) as f64).round() / 1e2;
    let bar = kept.iter().map(|[start, end]| (share(*start), share(end.saturating_sub(*start))));
    let ranges: Vec<String> = kept.iter().map(|[start, end]| format!("{start}–{end}")).collect();
    let texts: Vec<String> =
        put_back.iter().map(|PutBack { kind, tokens }| format!("{kind} ({tokens})")).collect();
    let or_nothing = |list: Vec<String>| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    Some(EvictionRow {
        seconds: *time,
        time: clock(*time),
        before: *tokens_before,
        after: *tokens_after,
        bar: bar.collect(),
        kept: or_nothing(ranges),
        put_back: or_nothing(texts),
        positions: positions.as_str().to_owned(),
        ms: format!("{ms:.1}"),
    })
}

fn summary(event: &Event) -> Option<SummaryRow> {
    let Event::Summary { time, prompt, text, covers, ms, .. } = event else { return None };
    let (time, ms) = (clock(*time), format!("{ms:.0}"));
    let covers = *covers;
    Some(SummaryRow { time, prompt: prompt.clone(), text: text.clone(), covers, ms })
}
