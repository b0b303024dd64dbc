//! Marks of slots in the cache, in addition to the segments: facts, summaries of facts, and texts that were
//! put back.

use std::collections::HashMap;
use std::ops::Range;

use super::report::{FactPlace, FactRecord};
use crate::segment::SegmentKind;

/// What a range of slots carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// A segment that tells a fact.
    Fact(u32),
    /// A summary that tells the fact.
    Summarised(u32),
    /// A text of this kind that an eviction put back.
    PutBack(SegmentKind),
}

impl Label {
    fn fact(self) -> Option<u32> {
        match self {
            Self::Fact(fact) | Self::Summarised(fact) => Some(fact),
            Self::PutBack(_) => None,
        }
    }
}

/// A range of slots with a label.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) range: Range<usize>,
    pub(super) label: Label,
}

/// Slots that move together.
#[derive(Debug)]
pub(super) struct Move {
    from: Range<usize>,
    to: usize,
}

/// Adds a move of the slots `from` to `to`. A move that continues the one before is joined with it, so that a
/// segment that is kept in two touching ranges stays whole.
pub(super) fn push_move(moves: &mut Vec<Move>, from: Range<usize>, to: usize) {
    match moves.last_mut() {
        Some(last) if last.from.end == from.start && last.to + last.from.len() == to => {
            last.from.end = from.end;
        }
        _ => moves.push(Move { from, to }),
    }
}

/// The marks that the moves carry with them. `marks` and the moves of one eviction are sorted, and `cursor`
/// continues from the move before.
pub(super) fn moved<'a>(marks: &'a [Mark], moves: &'a [Move]) -> impl Iterator<Item = Mark> + 'a {
    let mut cursor = 0;
    moves.iter().flat_map(move |step| {
        while marks.get(cursor).is_some_and(|mark| mark.range.end <= step.from.start) {
            cursor += 1;
        }
        let inside = marks[cursor..].iter().take_while(|mark| mark.range.start < step.from.end);
        inside.filter_map(|mark| {
            let start = mark.range.start.max(step.from.start);
            let end = mark.range.end.min(step.from.end);
            // A fact that is cut is not told any more; a text put back stays one.
            let stays = matches!(mark.label, Label::PutBack(_)) || (start..end) == mark.range;
            let place = |slot| slot - step.from.start + step.to;
            stays.then(|| Mark { range: place(start)..place(end), label: mark.label })
        })
    })
}

/// The facts of `marks` and of `others`, sorted, without duplicates.
pub(super) fn facts_of(marks: &[Mark], others: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut facts: Vec<u32> = marks.iter().filter_map(|mark| mark.label.fact()).chain(others).collect();
    facts.sort_unstable();
    facts.dedup();
    facts
}

#[derive(Debug, Clone)]
struct Known {
    time: f64,
    lost: Option<f64>,
}

/// Every fact that came in.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts(HashMap<u32, Known>);

impl Facts {
    /// Records that a fact is told. A lost fact becomes known again.
    pub(super) fn tell(&mut self, fact: u32, time: f64) {
        self.0.entry(fact).or_insert(Known { time, lost: None }).lost = None;
    }

    /// Records that a fact is lost, if it was not lost before.
    pub(super) fn lose(&mut self, fact: u32, time: f64) {
        if let Some(known) = self.0.get_mut(&fact) {
            known.lost.get_or_insert(time);
        }
    }

    /// The place of every fact, sorted, given the facts in the cache and those in summaries (both sorted).
    pub(super) fn records(&self, in_cache: &[u32], in_summaries: &[u32], now: f64) -> Vec<FactRecord> {
        let place = |fact: &u32, known: &Known| {
            if in_cache.binary_search(fact).is_ok() {
                FactPlace::InCache
            } else if in_summaries.binary_search(fact).is_ok() {
                FactPlace::InSummary
            } else {
                FactPlace::Lost { time: known.lost.unwrap_or(now) }
            }
        };
        let records = self.0.iter().map(|(fact, known)| FactRecord {
            fact: *fact,
            time: known.time,
            place: place(fact, known),
        });
        let mut records: Vec<FactRecord> = records.collect();
        records.sort_unstable_by_key(|record| record.fact);
        records
    }
}
