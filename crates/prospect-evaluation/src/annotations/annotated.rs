//! What annotations say of a video, whatever format they stand in.

use prospect_config::UserRequest;
use prospect_session::{Guidance, Reference, TaskStep};
use serde::{Deserialize, Serialize};

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// Instructions.
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
    /// Stream time in seconds.
    pub time: f64,
    /// Who says it.
    pub role: Speaker,
    /// What is said.
    pub text: String,
}

impl From<&Message> for Reference {
    fn from(message: &Message) -> Self {
        Self { time: message.time, text: message.text.clone() }
    }
}

/// A step, substep or action of the task with the time it takes, `start <= t < end` in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substep {
    /// Its name.
    pub name: String,
    /// First second.
    pub start: f64,
    /// Second at which it is over.
    pub end: f64,
}

/// A checked annotation file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    /// Frames per second the annotations were made for.
    pub fps: Option<f64>,
    /// System prompt of the dialogue.
    pub system_prompt: Option<String>,
    /// What the assistant knows about the task.
    pub task_knowledge: Option<String>,
    /// All messages, sorted by time.
    pub messages: Vec<Message>,
    /// The coarse level of the task, sorted by start; no run looks at it.
    pub steps: Vec<Substep>,
    /// All substeps, sorted by start; the steps, where a file has no substeps of its own.
    pub substeps: Vec<Substep>,
    /// The fine level of the task, sorted by start; no run looks at it.
    pub actions: Vec<Substep>,
}

impl Annotations {
    /// Takes over the steps, substeps and actions of another file about the same video.
    pub fn take_steps_of(&mut self, other: Self) {
        (self.steps, self.substeps, self.actions) = (other.steps, other.substeps, other.actions);
    }

    /// What a session is told of it.
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

    /// The reference replies from one stream time to another, both included, in order.
    pub fn references_between(&self, first: f64, last: f64) -> impl Iterator<Item = &Message> {
        self.references().filter(move |message| first <= message.time && message.time <= last)
    }

    /// What the user says, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| message.role == Speaker::User)
    }

    /// The substep at a time in seconds; where several overlap, the one that started last.
    pub fn substep(&self, time: f64) -> Option<&Substep> {
        self.substeps.iter().rev().find(|substep| substep.start <= time && time < substep.end)
    }
}
