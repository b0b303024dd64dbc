//! What the page shows of one run, read from its trace.

use serde::Serialize;

use super::stream::{Stream, frame_of_reply};
use super::thumbnails::Thumbnails;
use super::timeline::{Timeline, timeline};
use super::{clock, plots};
use crate::error::RunError;
use prospect_evaluation::{Verdict, VideoRun};
use prospect_session::{Event, PutBack};

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct RunView {
    id: String,
    strategy: String,
    error: Option<String>,
    /// Why its trace could not be read.
    pub(super) unreadable: Option<String>,
    broken_laws: Vec<String>,
    /// `12 matched, 1 missed, ...`.
    outcome: String,
    timeline: Timeline,
    replies: Vec<ReplyRow>,
    missed: Vec<MissedRow>,
    evictions: Vec<EvictionRow>,
    summaries: Vec<SummaryRow>,
    cache_plot: Option<String>,
    time_plot: Option<String>,
    /// Of a stream with a pace of its own, in words and drawn.
    pace: Option<PaceView>,
}

#[derive(Debug, Serialize)]
struct PaceView {
    outcome: String,
    lag_plot: String,
    queue_plot: String,
}

impl RunView {
    /// The element that holds it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn has_evictions(&self) -> bool {
        !self.evictions.is_empty()
    }
}

#[derive(Debug, Serialize)]
struct ReplyRow {
    number: usize,
    time: String,
    verdict: Verdict,
    text: String,
    similarity: String,
    reference: Option<String>,
    picture: Option<String>,
}

#[derive(Debug, Serialize)]
struct MissedRow {
    number: usize,
    time: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct EvictionRow {
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
    /// Of one that was written early, the slot before which it sums up.
    covers: Option<usize>,
    ms: String,
}

pub(super) fn run_view(
    id: String,
    strategy: &str,
    run: &VideoRun,
    events: &[Event],
    thumbnails: &Thumbnails,
) -> Result<RunView, RunError> {
    let stream = Stream::of(events);
    let judgement = &run.judgement;
    let frames_of_replies: Vec<usize> = events.iter().filter_map(frame_of_reply).collect();
    let replies = judgement.replies.iter().enumerate().map(|(index, reply)| ReplyRow {
        number: index + 1,
        time: clock(reply.time),
        verdict: reply.verdict,
        text: reply.text.clone(),
        similarity: format!("{:.2}", reply.similarity),
        reference: reply.reference.map(|reference| judgement.references[reference].text.clone()),
        picture: frames_of_replies.get(index).and_then(|frame| thumbnails.id(*frame)),
    });
    let missed = judgement.missed().into_iter().zip(&judgement.references).enumerate();
    let missed = missed.filter(|(_, (missed, _))| *missed).map(|(index, (_, reference))| MissedRow {
        number: index + 1,
        time: clock(reference.time),
        text: reference.text.clone(),
    });
    let marks: Vec<(f64, String)> = events.iter().filter_map(eviction_mark).collect();
    let end = stream.frames.last().map_or(0.0, |frame| frame.time).max(1.0);
    Ok(RunView {
        id,
        strategy: strategy.to_owned(),
        error: run.error.clone(),
        unreadable: None,
        broken_laws: run.broken_laws.clone(),
        outcome: outcome(run),
        timeline: timeline(judgement, &frames_of_replies, &marks, end, thumbnails),
        replies: replies.collect(),
        missed: missed.collect(),
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

fn eviction_mark(event: &Event) -> Option<(f64, String)> {
    let Event::Overflow { time, tokens_before, tokens_after, .. } = event else { return None };
    Some((*time, format!("{} eviction: {tokens_before} to {tokens_after} tokens", clock(*time))))
}

fn eviction(event: &Event) -> Option<EvictionRow> {
    let Event::Overflow { time, tokens_before, tokens_after, kept, put_back, positions, ms, .. } = event
    else {
        return None;
    };
    let share = |tokens: usize| 100.0 * tokens as f64 / (*tokens_before).max(1) as f64;
    let bar = kept.iter().map(|[start, end]| (share(*start), share(end.saturating_sub(*start))));
    let ranges: Vec<String> = kept.iter().map(|[start, end]| format!("{start}–{end}")).collect();
    let texts: Vec<String> =
        put_back.iter().map(|PutBack { kind, tokens }| format!("{kind} ({tokens})")).collect();
    let or_nothing = |list: Vec<String>| if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    Some(EvictionRow {
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
