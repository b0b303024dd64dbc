//! What a stream is told before it begins.

use prospect_config::{Settings, TalkPolicy, UserRequest};
use prospect_context::{ContextStrategy, PositionPolicy};

use crate::annotations::Annotations;

/// What happens when the cache is full.
pub enum ContextRule {
    /// A strategy decides what survives.
    Strategy(Box<dyn ContextStrategy>),
    /// Every frame starts again from the opening.
    Stateless,
    /// An overflow is an error.
    Unlimited,
}

impl ContextRule {
    /// The name the trace writes.
    pub fn name(&self) -> &str {
        match self {
            Self::Strategy(strategy) => strategy.name(),
            Self::Stateless => "none",
            Self::Unlimited => "unlimited",
        }
    }
}

impl ContextRule {
    /// The position policy that the cache has to be made for.
    pub fn positions(&self) -> PositionPolicy {
        match self {
            Self::Strategy(strategy) => strategy.positions(),
            Self::Stateless | Self::Unlimited => PositionPolicy::default(),
        }
    }
}

/// The settings and annotations that the stream loop works from, merged.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    /// The system prompt.
    pub system_prompt: String,
    /// What the assistant knows about the task.
    pub task_knowledge: Option<String>,
    /// User messages, sorted by time.
    pub requests: Vec<UserRequest>,
    /// Frames per second: how near a frame a reference has to be to be said there.
    pub fps: f64,
    /// When the model speaks.
    pub talk: TalkPolicy,
    /// Whether a frame's time goes in before it.
    pub frame_time_text: bool,
    /// Whether the references go into the context instead of the replies.
    pub reference_context: bool,
    /// Most tokens that the cache ever holds.
    pub max_seq_len: usize,
    /// Tokens that stay free before a chunk goes in.
    pub reserved_seq_len: usize,
    /// Longest reply in tokens.
    pub max_new_tokens: usize,
}

impl SessionOptions {
    /// Merges settings and annotations: a system prompt in the settings wins over the annotations', which wins over the
    /// default one; the user messages of both go in.
    pub fn new(settings: &Settings, annotations: Option<&Annotations>) -> Self {
        let stream = &settings.stream;
        let annotated = annotations.and_then(|annotations| annotations.system_prompt.as_ref());
        let system_prompt =
            stream.system_prompt.as_ref().or(annotated).unwrap_or(&stream.default_system_prompt);
        let mut requests = stream.requests.clone();
        let asked = annotations.into_iter().flat_map(Annotations::requests);
        requests.extend(asked.map(|message| UserRequest { time: message.time, text: message.text.clone() }));
        requests.sort_by(|a, b| a.time.total_cmp(&b.time));
        Self {
            system_prompt: system_prompt.clone(),
            task_knowledge: annotations.and_then(|annotations| annotations.task_knowledge.clone()),
            requests,
            fps: stream.fps,
            talk: stream.talk.clone(),
            frame_time_text: stream.frame_time_text,
            reference_context: stream.reference_context,
            max_seq_len: settings.context.max_seq_len,
            reserved_seq_len: settings.context.reserved_seq_len,
            max_new_tokens: settings.generation.max_new_tokens,
        }
    }
}
