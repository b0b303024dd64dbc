//! The data of a video for the training script of the memory task.

use serde::Serialize;

use super::script::{FrameState, PLACES, Script, Tray};
use crate::workbench::parts::Part;

/// One line of `scripts.jsonl`. Its frames are in `frames.u8`, in the order of the lines.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingScript {
    seed: u64,
    system_prompt: String,
    recipe: Vec<usize>,
    states: Vec<State>,
    replies: Vec<(usize, String)>,
    facts: Vec<TrainingFact>,
    summaries: Vec<(usize, String)>,
}

/// Held part (or -1), hand (rests, moves, carries, opens over the tray, opens over the box, tray covered),
/// whether the tray is for work, the part (or -1) of each place.
type State = (i32, usize, bool, [i32; PLACES.len()]);

#[derive(Debug, Serialize)]
struct TrainingFact {
    kind: &'static str,
    question: String,
    answer: String,
    evidence: usize,
    asked: [usize; 2],
    needs: Vec<[usize; 2]>,
    noted: String,
}

impl TrainingScript {
    pub(crate) fn new(script: &Script) -> Self {
        let pairs = |replies: &[super::script::Reply]| {
            replies.iter().map(|reply| (reply.frame, reply.text.clone())).collect()
        };
        let facts = script.facts.iter().map(|fact| TrainingFact {
            kind: fact.kind.name(),
            question: fact.question.clone(),
            answer: fact.answer.clone(),
            evidence: fact.evidence,
            asked: [fact.asked.start, fact.asked.end],
            needs: fact.needs.iter().map(|run| [run.start, run.end]).collect(),
            noted: fact.noted.clone(),
        });
        Self {
            seed: script.seed,
            system_prompt: script.system_prompt(),
            recipe: script.recipe.iter().map(|part| part.index()).collect(),
            states: script.frames.iter().map(state).collect(),
            replies: pairs(&script.replies),
            facts: facts.collect(),
            summaries: pairs(&script.summaries),
        }
    }
}

fn state(frame: &FrameState) -> State {
    let index = |part: Option<Part>| part.map_or(-1, |part| part.index() as i32);
    let hand = match frame {
        FrameState { covered: true, .. } => 5,
        FrameState { at_box: true, .. } => 4,
        FrameState { open: true, .. } => 3,
        FrameState { held: Some(_), .. } => 2,
        FrameState { calm: false, .. } => 1,
        FrameState { .. } => 0,
    };
    let parts = if frame.covered { [-1; PLACES.len()] } else { frame.parts.map(index) };
    (index(frame.held), hand, frame.tray == Tray::Work, parts)
}
