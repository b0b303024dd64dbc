//! What a stream is given before it begins.

use prospect_config::{FramesIn, Settings, TalkPolicy, UserRequest};
use prospect_context::{ContextStrategy, PositionPolicy};
use serde::{Deserialize, Serialize};

/// What happens when the cache is full.
pub enum OverflowRule {
    /// A strategy decides what is kept.
    Strategy(Box<dyn ContextStrategy>),
    /// Every frame starts from the opening (`none`).
    Stateless,
    /// An overflow is an error (`unlimited`).
    Unlimited,
}

impl OverflowRule {
    /// The name in a trace.
    pub fn name(&self) -> &str {
        match self {
            Self::Strategy(strategy) => strategy.name(),
            Self::Stateless => "none",
            Self::Unlimited => "unlimited",
        }
    }

    /// The position policy for which the cache has to be built.
    pub fn positions(&self) -> PositionPolicy {
        self.strategy().map(ContextStrategy::positions).unwrap_or_default()
    }

    /// The strategy, if there is one.
    pub fn strategy(&self) -> Option<&dyn ContextStrategy> {
        match self {
            Self::Strategy(strategy) => Some(strategy.as_ref()),
            Self::Stateless | Self::Unlimited => None,
        }
    }
}

/// What is known about a stream before it begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guidance {
    /// The system prompt of the dialogue.
    pub system_prompt: Option<String>,
    /// The assistant's knowledge about the task.
    pub task_knowledge: Option<String>,
    /// The user messages, sorted by time.
    pub requests: Vec<UserRequest>,
    /// The steps of the task, sorted by start.
    pub steps: Vec<TaskStep>,
    /// The references, sorted by time.
    pub references: Vec<Reference>,
}

/// A step of the task. It lasts from `start` to before `end`, in seconds of stream time.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStep {
    /// The name of the step.
    pub name: String,
    /// The second at which the step begins.
    pub start: f64,
    /// The second at which the step is over.
    pub end: f64,
}

/// A reply that the assistant should give at a stream time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The stream time in seconds, which may lie between two frames.
    pub time: f64,
    /// The text. If several references belong to one frame, the texts of all of them.
    pub text: String,
}

/// The texts that open a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningTexts {
    /// The system prompt, which may be empty.
    pub system_prompt: String,
    /// The assistant's knowledge about the task.
    pub task_knowledge: Option<String>,
}

impl OpeningTexts {
    pub(crate) fn as_opening(&self) -> prospect_context::Opening<'_> {
        let task_knowledge = self.task_knowledge.as_deref();
        prospect_context::Opening { system_prompt: &self.system_prompt, task_knowledge }
    }
}

/// The options of the loop, merged from settings and guidance.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// The texts that open the stream.
    pub opening: OpeningTexts,
    /// User messages, sorted by time.
    pub requests: Vec<UserRequest>,
    /// The steps of the task, sorted by start.
    pub steps: Vec<TaskStep>,
    /// The references, sorted by time.
    pub references: Vec<Reference>,
    /// Frames per second. They decide to which frame a reference belongs.
    pub fps: f64,
    /// When the model speaks.
    pub talk: TalkPolicy,
    /// Whether the time of a frame goes in before it.
    pub frame_time_text: bool,
    /// Where in the dialogue frames stand.
    pub frames_in: FramesIn,
    /// Whether the references go into the context instead of the model's replies.
    pub reference_context: bool,
    /// The most tokens that the cache ever holds.
    pub max_seq_len: usize,
    /// The tokens that have to be free before a chunk goes in.
    pub reserved_seq_len: usize,
    /// The most tokens of a reply.
    pub max_new_tokens: usize,
    /// How often in a row a reply may repeat the same phrase; `None` means no limit.
    pub max_repeats: Option<usize>,
}

impl SessionOptions {
    /// Merges settings and guidance. The system prompt of the settings overrides that of the guidance, which
    /// overrides the default one. The user messages of both are used.
    pub fn new(settings: &Settings, guidance: Guidance) -> Self {
        let stream = &settings.stream;
        let Guidance { system_prompt, task_knowledge, requests, steps, references } = guidance;
        let system_prompt = stream.system_prompt.clone().or(system_prompt);
        let system_prompt = system_prompt.unwrap_or_else(|| stream.default_system_prompt.clone());
        let mut all_requests = stream.requests.clone();
        all_requests.extend(requests);
        all_requests.sort_by(|a, b| a.time.total_cmp(&b.time));
        Self {
            opening: OpeningTexts { system_prompt, task_knowledge },
            requests: all_requests,
            steps,
            references,
            fps: stream.fps,
            talk: stream.talk.clone(),
            frame_time_text: stream.frame_time_text,
            frames_in: stream.frames_in,
            reference_context: stream.reference_context,
            max_seq_len: settings.context.max_seq_len,
            reserved_seq_len: settings.context.reserved_seq_len,
            max_new_tokens: settings.generation.max_new_tokens,
            max_repeats: settings.generation.max_repeats,
        }
    }
}
