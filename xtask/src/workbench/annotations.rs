//! The annotation file of a video, in the format that `prospect-runner` reads.

use serde::Serialize;

use super::script::{FPS, Script};

/// The contents of `<video>.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Annotations {
    version: u32,
    fps: f64,
    system_prompt: String,
    task_knowledge: Option<String>,
    messages: Vec<Message>,
    substeps: Vec<Substep>,
}

#[derive(Debug, Serialize)]
struct Message {
    time: f64,
    role: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
struct Substep {
    name: String,
    start: f64,
    end: f64,
}

impl Annotations {
    /// The references of a script. Frame k is at k / fps seconds; a reply has the time of the frame
    /// that it follows.
    pub(crate) fn new(script: &Script) -> Self {
        let message = |reply: &super::script::Reply| Message {
            time: reply.frame as f64 / FPS,
            role: "assistant",
            text: reply.text.clone(),
        };
        Self {
            version: 1,
            fps: FPS,
            system_prompt: script.system_prompt(),
            task_knowledge: None,
            messages: script.replies.iter().map(message).collect(),
            substeps: substeps(script),
        }
    }
}

/// The substeps. Each lasts from the frame after the previous part was placed to the frame in which its
/// own part is placed.
fn substeps(script: &Script) -> Vec<Substep> {
    let mut substeps = Vec::new();
    let mut start = 0;
    for (index, frame) in script.frames.iter().enumerate() {
        if frame.covered {
            start = index;
        }
        if frame.at_box {
            let name = format!("put in the {}", script.recipe[frame.done - 1]);
            substeps.push(Substep { name, start: start as f64 / FPS, end: (index + 1) as f64 / FPS });
            start = index + 1;
        }
    }
    substeps
}

#[cfg(test)]
mod tests {
    use super::super::script::Kind;
    use super::*;

    #[test]
    fn substeps_follow_each_other_and_are_one_per_part() {
        let script = Script::new(5, Kind::Plain);
        let annotations = Annotations::new(&script);
        assert_eq!(annotations.substeps.len(), script.recipe.len());
        assert!(annotations.substeps.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(annotations.messages[0].time, 0.0);
    }
}
