//! What a stream is told before it begins.

use prospect_config::{FramesIn, Settings, TalkPolicy, UserRequest};
use prospect_context::{ContextStrategy, PositionPolicy};
use serde::{Deserialize, Serialize};

/// What happens when the cache is full.
pub enum OverflowRule {
    /// A strategy decides what survives.
    Strategy(Box<dyn ContextStrategy>),
    /// Every frame starts again from the opening.
    Stateless,
    /// An overflow is an error.
    Unlimited,
}

impl OverflowRule {
    /// The name the trace writes.
    pub fn name(&self) -> &str {
        match self {
            Self::Strategy(strategy) => strategy.name(),
            Self::Stateless => "none",
            Self::Unlimited => "unlimited",
        }
    }

    /// The position policy that the cache has to be made for.
    pub fn positions(&self) -> PositionPolicy {
        self.strategy().map(ContextStrategy::positions).unwrap_or_default()
    }

    /// The strategy, where there is one.
    pub fn strategy(&self) -> Option<&dyn ContextStrategy> {
        match self {
            Self::Strategy(strategy) => Some(strategy.as_ref()),
            Self::Stateless | Self::Unlimited => None,
        }
    }
}

/// What is known of a stream beforehand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guidance {
    /// System prompt of the dialogue.
    pub system_prompt: Option<String>,
    /// What the assistant knows about the task.
    pub task_knowledge: Option<String>,
    /// What the user says, sorted by time.
    pub requests: Vec<UserRequest>,
    /// The steps of the task, sorted by start.
    pub steps: Vec<TaskStep>,
    /// What should be said, sorted by time.
    pub references: Vec<Reference>,
}

/// A step of the task with the time it takes, `start <= t < end` in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStep {
    /// Its name.
    pub name: String,
    /// First second.
    pub start: f64,
    /// Second at which it is over.
    pub end: f64,
}

/// What should be said at a stream time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Its own stream time in seconds, which may lie between two frames.
    pub time: f64,
    /// The text; of several at one frame, all of them.
    pub text: String,
}

/// The texts that open a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningTexts {
    /// The system prompt; may be empty.
    pub system_prompt: String,
    /// What the assistant knows of the task.
    pub task_knowledge: Option<String>,
}

impl OpeningTexts {
    pub(crate) fn as_opening(&self) -> prospect_context::Opening<'_> {
        let task_knowledge = self.task_knowledge.as_deref();
        prospect_context::Opening { system_prompt: &self.system_prompt, task_knowledge }
    }
}

/// What the loop works from: settings and guidance, merged.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// The texts that open the stream.
    pub opening: OpeningTexts,
    /// User messages, sorted by time.
    pub requests: Vec<UserRequest>,
    /// The steps of the task, sorted by start.
    pub steps: Vec<TaskStep>,
    /// What should be said, sorted by time.
    pub references: Vec<Reference>,
    /// Frames per second: how near a frame a reference has to be to be said there.
    pub fps: f64,
    /// When the model speaks.
    pub talk: TalkPolicy,
    /// Whether a frame's time goes in before it.
    pub frame_time_text: bool,
    /// Where in the dialogue frames stand.
    pub frames_in: FramesIn,
    /// Whether the references go into the context instead of the replies.
    pub reference_context: bool,
    /// Most tokens that the cache ever holds.
    pub max_seq_len: usize,
    /// Tokens that stay free before a chunk goes in.
    pub reserved_seq_len: usize,
    /// Longest reply in tokens.
    pub max_new_tokens: usize,
    /// How often in a row a reply may say the same phrase; `None` is as often as it likes.
    pub max_repeats: Option<usize>,
}

impl SessionOptions {
    /// Merges settings and guidance: a system prompt in the settings wins over the guidance's, which wins over the default
    /// one; the user messages of both go in.
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
