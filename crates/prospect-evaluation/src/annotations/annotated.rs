//! The annotations of a video, independent of their file format.

use prospect_config::UserRequest;
use prospect_session::{Guidance, Reference, TaskStep};
use serde::{Deserialize, Serialize};

/// The speaker of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The instructions of the system prompt.
    System,
    /// The person in the video.
    User,
    /// A reference reply.
    Assistant,
}

/// One message of the dialogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The stream time in seconds.
    pub time: f64,
    /// The speaker.
    pub role: Speaker,
    /// The text.
    pub text: String,
    /// For an answer, the stream time of the last thing that shows what it tells, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<f64>,
}

impl Message {
    /// A message without evidence.
    pub fn new(time: f64, role: Speaker, text: impl Into<String>) -> Self {
        Self { time, role, text: text.into(), evidence: None }
    }
}

impl From<&Message> for Reference {
    fn from(message: &Message) -> Self {
        Self { time: message.time, text: message.text.clone() }
    }
}

/// A step, substep or action of the task. It lasts from `start` to before `end`, in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substep {
    /// The name.
    pub name: String,
    /// The second at which it begins.
    pub start: f64,
    /// The second at which it is over.
    pub end: f64,
}

/// A checked annotation file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    /// The frames per second for which the annotations were made.
    pub fps: Option<f64>,
    /// The system prompt of the dialogue.
    pub system_prompt: Option<String>,
    /// The assistant's knowledge about the task.
    pub task_knowledge: Option<String>,
    /// All messages, sorted by time.
    pub messages: Vec<Message>,
    /// The coarse level of the task, sorted by start. A run does not use it.
    pub steps: Vec<Substep>,
    /// All substeps, sorted by start. If a file has no substeps, its steps.
    pub substeps: Vec<Substep>,
    /// The fine level of the task, sorted by start. A run does not use it.
    pub actions: Vec<Substep>,
}

impl Annotations {
    /// Replaces the steps, substeps and actions by those of another file about the same video.
    pub fn take_steps_of(&mut self, other: Self) {
        (self.steps, self.substeps, self.actions) = (other.steps, other.substeps, other.actions);
    }

    /// The part of the annotations that a session uses.
    pub fn guidance(&self) -> Guidance {
        let step = |Substep { name, start, end }: &Substep| TaskStep {
            name: name.clone(),
            start: *start,
            end: *end,
        };
        let request = |message: &Message| UserRequest { time: message.time, text: message.text.clone() };
        Guidance {
            system_prompt: self.system_prompt.clone(),
            task_knowledge: self.task_knowledge.clone(),
            requests: self.requests().map(request).collect(),
            steps: self.substeps.iter().map(step).collect(),
            references: self.references().map(Reference::from).collect(),
        }
    }

    /// The reference replies, in order.
    pub fn references(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role == Speaker::Assistant)
    }

    /// The reference replies from one stream time to another in seconds, both included, in order.
    pub fn references_between(&self, first: f64, last: f64) -> impl Iterator<Item = &Message> {
        self.references().filter(move |message| first <= message.time && message.time <= last)
    }

    /// The user messages, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role == Speaker::User)
    }

    /// The substep at a time in seconds. If several overlap, the one that started last.
    pub fn substep(&self, time: f64) -> Option<&Substep> {
        self.substeps.iter().rev().find(|substep| substep.start <= time && time < substep.end)
    }
}
