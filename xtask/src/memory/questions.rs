//! The questions of a video: at random times, of every kind, about what was seen 5 to 300 seconds ago.

use super::facts::Fact;
use super::script::Script;
use crate::workbench::prng::Prng;
use crate::workbench::script::FPS;

/// Bounds of the ages of evidence in seconds: a question is as often from one range as from another.
const AGES: [f64; 5] = [5.0, 15.0, 60.0, 150.0, 300.0];

/// A question at a frame.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The frame before which it is asked, and after which it is answered.
    pub(crate) frame: usize,
    /// What is asked.
    pub(crate) fact: &'a Fact,
}

/// Frames between two questions.
const APART: usize = 8;
/// Most questions of a video.
const MOST: usize = 14;

/// The questions of a video, ordered by frame. None is asked twice while its answer is the same.
///
/// The age is drawn for each fact before it is asked: a person who asked for whatever comes to mind would have
/// asked for everything before it is old.
pub(crate) fn questions(script: &Script) -> Vec<Question<'_>> {
    let mut prng = Prng::new(script.seed, 4);
    let mut facts: Vec<&Fact> = script.facts.iter().collect();
    prng.shuffle(&mut facts);
    let mut asked: Vec<Question<'_>> = Vec::new();
    for fact in facts {
        let is_new = |before: &Question<'_>| {
            before.fact.question != fact.question || before.fact.answer != fact.answer
        };
        let Some(frame) = when(fact, &mut prng) else { continue };
        let is_free = asked.iter().all(|before| before.frame.abs_diff(frame) >= APART && is_new(before));
        if is_free && !script.speaks_at(frame) && asked.len() < MOST {
            asked.push(Question { frame, fact });
        }
    }
    asked.sort_by_key(|question| question.frame);
    asked
}

/// A frame at which a fact is asked for: one of a random range of ages, of those that it can have.
fn when(fact: &Fact, prng: &mut Prng) -> Option<usize> {
    let frames = |bounds: &[f64]| {
        let at = |seconds: f64| fact.evidence + (seconds * FPS) as usize;
        at(bounds[0]).max(fact.asked.start)..at(bounds[1]).min(fact.asked.end)
    };
    let ranges: Vec<_> = AGES.windows(2).map(frames).filter(|range| !range.is_empty()).collect();
    let range = ranges.get(prng.below(ranges.len()))?;
    Some(range.start + prng.below(range.len()))
}
