//! The annotation file of a video, in the format that `prospect-runner` reads.

use serde::Serialize;

use super::script::{FPS, Reply, Script};

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

/// One message of the dialogue.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    pub(crate) time: f64,
    pub(crate) role: &'static str,
    pub(crate) text: String,
    /// The time of the last frame that shows what an answer tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<f64>,
}

impl Message {
    /// A reply has the time of the frame that it follows.
    pub(crate) fn of_reply(reply: &Reply) -> Self {
        let (time, text) = (reply.frame as f64 / FPS, reply.text.clone());
        Self { time, role: "assistant", text, evidence: None }
    }
}

/// One step of the task.
#[derive(Debug, Serialize)]
pub(crate) struct Substep {
    name: String,
    start: f64,
    end: f64,
}

impl Annotations {
    /// The references of a script. Frame k is at k / fps seconds.
    pub(crate) fn of_script(script: &Script) -> Self {
        let messages = script.replies.iter().map(Message::of_reply).collect();
        Self::new(script.system_prompt(), messages, substeps(script))
    }

    /// The annotations of a video.
    pub(crate) fn new(system_prompt: String, messages: Vec<Message>, substeps: Vec<Substep>) -> Self {
        Self { version: 1, fps: FPS, system_prompt, task_knowledge: None, messages, substeps }
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
        let annotations = Annotations::of_script(&script);
        assert_eq!(annotations.substeps.len(), script.recipe.len());
        assert!(annotations.substeps.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(annotations.messages[0].time, 0.0);
    }
}
