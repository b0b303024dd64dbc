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

/// The questions of a video, ordered by frame. None is asked twice while its answer is the same.
pub(crate) fn questions(script: &Script) -> Vec<Question<'_>> {
    let mut prng = Prng::new(script.seed, 4);
    let mut asked: Vec<Question<'_>> = Vec::new();
    let mut frame = prng.within(16, 40) as usize;
    while frame < script.frames.len() {
        if !script.speaks_at(frame) {
            let new = |fact: &&Fact| {
                asked
                    .iter()
                    .all(|before| before.fact.question != fact.question || before.fact.answer != fact.answer)
            };
            let open: Vec<&Fact> = script.facts.iter().filter(|fact| fact.asked.contains(&frame)).collect();
            let open: Vec<&Fact> = open.into_iter().filter(new).collect();
            if let Some(fact) = choose(&open, frame, &mut prng) {
                asked.push(Question { frame, fact });
            }
        }
        frame += prng.within(12, 44) as usize;
    }
    asked
}

/// One of the facts: first a range of ages is drawn, then a kind, then a fact.
fn choose<'a>(open: &[&'a Fact], frame: usize, prng: &mut Prng) -> Option<&'a Fact> {
    let range = |fact: &Fact| {
        let age = (frame - fact.evidence) as f64 / FPS;
        AGES.windows(2).position(|bounds| bounds[0] <= age && age < bounds[1])
    };
    let ages = distinct(open.iter().filter_map(|fact| range(fact)));
    let age = pick(&ages, prng)?;
    let of_age: Vec<&Fact> = open.iter().copied().filter(|fact| range(fact) == Some(*age)).collect();
    let kinds = distinct(of_age.iter().map(|fact| fact.kind));
    let kind = pick(&kinds, prng)?;
    let of_kind: Vec<&Fact> = of_age.into_iter().filter(|fact| fact.kind == *kind).collect();
    pick(&of_kind, prng).copied()
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

fn pick<'a, T>(items: &'a [T], prng: &mut Prng) -> Option<&'a T> {
    items.get(prng.below(items.len()))
}
