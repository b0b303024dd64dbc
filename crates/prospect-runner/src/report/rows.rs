//! Replies, questions and missed references of a run, ordered by time.

use serde::Serialize;

use super::clock::clock;
use super::thumbnails::Thumbnails;
use prospect_context::Role;
use prospect_evaluation::{Judgement, Verdict};
use prospect_session::Event;

/// A row of the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// A reply is `matched`, `mismatched`, `redundant`, or `said` if there are no references. A missed
    /// reference is `missed`, a person's message `asked`.
    kind: &'static str,
    /// Number among the replies, references or questions, from 1.
    number: usize,
    seconds: f64,
    time: String,
    text: String,
    /// For replies that have a reference.
    similarity: Option<String>,
    reference: Option<String>,
    picture: Option<String>,
    /// Whether the reply was cut because it repeats itself.
    repeats: bool,
}

/// The rows of a run. `frames_of_replies` has the frame of each reply.
pub(super) fn rows(
    judgement: &Judgement,
    judged: bool,
    events: &[Event],
    frames_of_replies: &[usize],
    thumbnails: &Thumbnails,
) -> Vec<Row> {
    let repeats: Vec<bool> = events.iter().filter_map(repeats).collect();
    let replies = judgement.replies.iter().enumerate().map(|(index, reply)| Row {
        kind: if judged { verdict(reply.verdict) } else { "said" },
        similarity: reply.reference.map(|_| format!("{:.2}", reply.similarity)),
        reference: reply.reference.map(|reference| judgement.references[reference].text.clone()),
        picture: frames_of_replies.get(index).and_then(|frame| thumbnails.id(*frame)),
        repeats: repeats.get(index).copied().unwrap_or(false),
        ..Row::new("said", index, reply.time, &reply.text)
    });
    let missed = judgement.missed().into_iter().zip(&judgement.references).enumerate();
    let missed = missed
        .filter(|(_, (missed, _))| *missed)
        .map(|(index, (_, reference))| Row::new("missed", index, reference.time, &reference.text));
    let asked = events.iter().filter_map(|event| match event {
        Event::Message { role: Role::User, text, time } => Some((*time, text)),
        _ => None,
    });
    let asked = asked.enumerate().map(|(index, (time, text))| Row::new("asked", index, time, text));
    // The sort is stable, so a person's message comes before the answer with the same time.
    let mut rows: Vec<Row> = asked.chain(replies).chain(missed).collect();
    rows.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
    rows
}

impl Row {
    fn new(kind: &'static str, index: usize, seconds: f64, text: &str) -> Self {
        Self {
            kind,
            number: index + 1,
            seconds,
            time: clock(seconds),
            text: text.to_owned(),
            similarity: None,
            reference: None,
            picture: None,
            repeats: false,
        }
    }
}

/// Whether a reply was cut because it repeats itself.
fn repeats(event: &Event) -> Option<bool> {
    match event {
        Event::Reply { repeats, .. } => Some(*repeats),
        _ => None,
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Matched => "matched",
        Verdict::Mismatched => "mismatched",
        Verdict::Redundant => "redundant",
    }
}

/// Number of rows by kind, for the buttons that filter the list. Kinds without rows are left out.
pub(super) fn kinds(rows: &[Row]) -> Vec<(&'static str, usize)> {
    let all = ["said", "matched", "mismatched", "redundant", "missed", "asked"];
    let count = |kind: &'static str| (kind, rows.iter().filter(|row| row.kind == kind).count());
    all.map(count).into_iter().filter(|(_, count)| *count > 0).collect()
}
