//! What a strategy sees when it is asked for a plan.

use crate::budget::Budget;
use crate::segment::{Role, Segment};

/// Progress of the task, where the run knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DialogueState {
    /// Steps that are done, in order.
    pub steps_done: Vec<String>,
    /// The step under way.
    pub current_step: Option<String>,
    /// The step after it.
    pub next_step: Option<String>,
}

/// Tells what a text costs in tokens, without the strategy knowing a tokenizer.
pub trait TokenCounter {
    /// Upper bound of the tokens that a message put back into the cache takes, template included.
    fn message_tokens(&self, role: Role, text: &str) -> usize;

    /// Upper bound of the tokens that a prompt takes which asks the model for an answer.
    fn prompt_tokens(&self, text: &str) -> usize {
        self.message_tokens(Role::User, text).saturating_add(self.message_tokens(Role::Assistant, ""))
    }
}

/// The texts that opened the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The system prompt; may be empty.
    pub system_prompt: &'a str,
    /// What the assistant knows of the task.
    pub task_knowledge: Option<&'a str>,
}

impl Opening<'_> {
    /// The text of the opening system message: the system prompt, then the task knowledge.
    pub fn text(&self) -> String {
        match self.task_knowledge {
            Some(knowledge) => format!("{} {knowledge}", self.system_prompt),
            None => self.system_prompt.to_owned(),
        }
    }
}

/// Measurements that a strategy asked for; none exist yet.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Signals<'a> {
    _borrowed: std::marker::PhantomData<&'a ()>,
}

/// The cache at an overflow, borrowed from the run.
#[derive(Clone, Copy)]
pub struct CacheView<'a> {
    /// Contiguous segments that cover the cache.
    pub segments: &'a [Segment],
    /// The budget that overflowed.
    pub budget: Budget,
    /// Tokens about to come in, the pending ones included.
    pub incoming: usize,
    /// Tokens generated but not in the cache yet.
    pub pending: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// The texts that opened the stream.
    pub opening: Opening<'a>,
    /// Cache length right after the first step that carried a user message (ProAssist's initial part).
    pub initial_tokens: Option<usize>,
    /// Progress of the task, where the run knows it.
    pub dialogue_state: Option<&'a DialogueState>,
    /// What a text costs.
    pub token_counter: &'a dyn TokenCounter,
    /// Measurements that the strategy asked for.
    pub signals: Signals<'a>,
}

impl CacheView<'_> {
    /// Length of the cache in tokens.
    pub fn cache_tokens(&self) -> usize {
        self.segments.last().map_or(0, |segment| segment.range.end)
    }
}
