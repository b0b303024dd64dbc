//! The memory task over random seeds.

use std::collections::HashSet;

use proptest::prelude::*;

use super::annotations::annotations;
use super::facts::{Fact, Kind};
use super::questions::questions;
use super::script::{Calm, FrameState, PLACES, Script, Tray};
use crate::workbench::parts::Part;
use crate::workbench::script::FPS;

fn calm() -> impl Strategy<Value = Calm> {
    prop_oneof![Just(Calm::Short), Just(Calm::Streaming)]
}

fn named(name: &str) -> Option<Part> {
    (0..24).map(Part::from_index).find(|part| name.trim_end_matches('.').ends_with(&part.to_string()))
}

/// The frames of the tray on which the script is at `frame`.
fn round(script: &Script, frame: usize) -> &[FrameState] {
    let begun = script.frames[..=frame].iter().rposition(|state| state.covered).unwrap();
    &script.frames[begun..=frame]
}

/// The answer as somebody gives it who looks at the frames up to `frame` alone.
fn seen(script: &Script, fact: &Fact, frame: usize) -> Option<String> {
    let placed: Vec<Part> =
        round(script, frame).iter().filter(|state| state.at_box).filter_map(|state| state.held).collect();
    let the = |part: &Part| format!("The {part}.");
    match fact.kind {
        Kind::Count => Some(["None.", "One.", "Two.", "Three.", "Four."][placed.len()].to_owned()),
        Kind::Order => {
            let ordinals = ["first", "second", "third", "fourth"];
            let at = ordinals.iter().position(|ordinal| fact.question.contains(ordinal))?;
            placed.get(at).map(the)
        }
        Kind::Last => round(script, frame).iter().rfind(|state| state.open)?.held.as_ref().map(the),
        Kind::Place => {
            let part = named(fact.question.trim_end_matches('?'));
            let lay = |state: &FrameState| state.parts.iter().position(|lies| *lies == part);
            let place = PLACES[script.frames[..=frame].iter().rev().find_map(lay)?];
            Some(format!("{}{}.", place[..1].to_uppercase(), &place[1..]))
        }
        Kind::Shown => {
            let part = named(fact.question.trim_end_matches('?'));
            let there = |state: &FrameState| state.held == part || state.parts.contains(&part);
            Some(if script.frames[..=frame].iter().any(there) { "Yes." } else { "No." }.to_owned())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_is_what_the_frames_have_shown(seed: u64, calm in calm()) {
        let script = Script::new(seed, calm);
        for fact in &script.facts {
            for frame in [fact.asked.start, fact.asked.end - 1] {
                let answer = seen(&script, fact, frame);
                prop_assert_eq!(answer, Some(fact.answer.clone()), "{:?} at {}", fact, frame);
            }
            prop_assert!(fact.evidence < fact.asked.start);
            prop_assert!(fact.needs.iter().any(|run| run.contains(&fact.evidence)), "{:?}", fact);
        }
    }

    /// What one must have seen is there to be seen, and a place is not to be seen when one is asked for it.
    #[test]
    fn the_place_of_a_part_is_shown_by_what_it_needs_and_by_nothing_later(seed: u64, calm in calm()) {
        let script = Script::new(seed, calm);
        for fact in script.facts.iter().filter(|fact| fact.kind == Kind::Place) {
            let part = named(fact.question.trim_end_matches('?'));
            let shows = |frame: usize| script.frames[frame].parts.contains(&part);
            prop_assert!(shows(fact.evidence));
            prop_assert!((fact.evidence + 1..fact.asked.end).all(|frame| !shows(frame)), "{:?}", fact);
        }
    }

    #[test]
    fn the_assistant_speaks_of_the_work_alone(seed: u64, calm in calm()) {
        let script = Script::new(seed, calm);
        prop_assert!(script.replies.iter().all(|reply| script.frames[reply.frame].tray == Tray::Work));
        let mut done = Vec::new();
        for state in script.frames.iter().filter(|state| state.at_box && state.tray == Tray::Work) {
            done.extend(state.held);
        }
        prop_assert_eq!(&done, &script.recipe);
        let spoken = |kind: &str| script.replies.iter().filter(|reply| reply.text.starts_with(kind)).count();
        prop_assert_eq!((spoken("Take"), spoken("Good"), spoken("All")), (1, script.recipe.len() - 1, 1));
    }

    #[test]
    fn nothing_is_asked_twice_and_every_age_is_in_bounds(seed: u64) {
        let script = Script::new(seed, Calm::Streaming);
        let asked = questions(&script);
        let texts: HashSet<_> = asked.iter().map(|one| (&one.fact.question, &one.fact.answer)).collect();
        prop_assert_eq!(texts.len(), asked.len());
        for question in &asked {
            let age = (question.frame - question.fact.evidence) as f64 / FPS;
            prop_assert!((5.0..300.0).contains(&age) && question.fact.asked.contains(&question.frame));
            prop_assert!(!script.speaks_at(question.frame));
        }
    }

    #[test]
    fn equal_seeds_give_equal_scripts(seed: u64, calm in calm()) {
        prop_assert_eq!(Script::new(seed, calm), Script::new(seed, calm));
    }
}

#[test]
fn an_answer_has_the_time_of_its_evidence_in_the_annotations() {
    let script = Script::new(5, Calm::Streaming);
    let written = serde_json::to_value(annotations(&script)).unwrap();
    let messages = written["messages"].as_array().unwrap();
    assert!(messages.is_sorted_by_key(|message| message["time"].as_f64().unwrap()));
    let of = |role: &str| messages.iter().filter(|message| message["role"] == role).count();
    let answers = messages.iter().filter(|message| message.get("evidence").is_some()).count();
    assert!(answers > 3 && of("user") == answers && of("assistant") == answers + script.replies.len());
}

#[test]
fn a_summary_tells_what_is_in_the_box_and_where_parts_lay() {
    let script = Script::new(1, Calm::Short);
    let last = &script.summaries.last().unwrap().text;
    assert_eq!(
        last,
        "Box: green cone, red ring, red cube, red bar. Last: red bar. Next: nothing. Shown: nothing. \
         Seen: blue bar left, yellow ring top, green cube right, blue ring bottom, green cone bottom, \
         red ring left, red cube top, red bar right."
    );
}
