//! The annotations of a video of the memory task.

use super::questions::questions;
use super::script::Script;
use crate::workbench::annotations::{Annotations, Message};
use crate::workbench::script::FPS;

/// The contents of `<video>.json`: the person's questions, and the replies of a right assistant. An answer has
/// the time of the last frame that shows it.
pub(crate) fn annotations(script: &Script) -> Annotations {
    let mut messages: Vec<Message> = script.replies.iter().map(Message::of_reply).collect();
    for question in questions(script) {
        let time = question.frame as f64 / FPS;
        let evidence = Some(question.fact.evidence as f64 / FPS);
        let (asked, answer) = (question.fact.question.clone(), question.fact.answer.clone());
        messages.push(Message { time, role: "user", text: asked, evidence: None });
        messages.push(Message { time, role: "assistant", text: answer, evidence });
    }
    messages.sort_by(|a, b| a.time.total_cmp(&b.time));
    Annotations::new(script.system_prompt(), messages, Vec::new())
}
