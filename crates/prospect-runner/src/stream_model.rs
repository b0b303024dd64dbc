//! The model as the stream loop sees it: tokens and frames in, replies out, one cache inside.
//!
//! The loop of [`crate::session`] is written against this trait, so that it is tested without weights and never
//! sees a tensor. [`crate::smolvlm::SmolVlmStream`] is the real one.

use std::ops::Range;

use prospect_context::{PositionPolicy, Role};
use prospect_model::{StoredTensor, StoredTensors};
use prospect_processor::Encoded;
use serde_json::Value;

use crate::error::RunError;
use crate::suspend::UnfitError;

/// What a prefill is followed by.
#[derive(Debug, Clone, PartialEq)]
pub enum AfterPrefill {
    /// Nothing: the chunk only goes in.
    Nothing,
    /// The talk decision, then the reply if the model speaks.
    Decide {
        /// Longest reply, in tokens.
        max_new_tokens: usize,
    },
    /// A reply, without asking whether there should be one.
    Reply {
        /// Longest reply, in tokens.
        max_new_tokens: usize,
    },
}

/// What a step generated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generated {
    /// Generated token ids; all but the last are in the cache, the last is pending.
    pub token_ids: Vec<u32>,
    /// Probability of staying silent at the decision, where one was taken.
    pub not_talk_probability: Option<f32>,
    /// Whether the decision was to stay silent.
    pub silent: bool,
}

/// What is generated on a fork of the cache.
#[derive(Debug, Clone, Copy)]
pub struct ForkRequest<'a, F> {
    /// What goes in first.
    pub ids: &'a [u32],
    /// The frame at the image tokens of `ids`.
    pub frame: Option<&'a F>,
    /// Most tokens of the answer.
    pub max_new_tokens: usize,
    /// Whether silence is a possible answer, at the default threshold of 0.5 (ProAssist's summaries).
    pub decide: bool,
}

/// One piece of an eviction plan whose texts have become tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum ResolvedPiece {
    /// These cache slots come back.
    Keep(Range<usize>),
    /// These tokens are prefilled.
    Tokens(Vec<u32>),
}

/// What an eviction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evicted {
    /// Cache length afterwards.
    pub tokens_after: usize,
    /// Whether all positions were moved back to start at 0 because the model's maximum was near.
    pub positions_reset: bool,
}

/// What a model remembers, on its way into a file.
pub struct SuspendedModel<'a> {
    /// What is no tensor.
    pub description: Value,
    /// Borrowed from where they lie.
    pub tensors: Vec<StoredTensor<'a>>,
}

/// What the loop holds of a model that goes on.
pub struct ResumedModel<K, F> {
    /// The answer in the making, if there was one.
    pub fork: Option<K>,
    /// The frame before, if the loop had kept it.
    pub last_frame: Option<F>,
}

/// A model with one accumulating cache.
pub trait StreamModel {
    /// A picture on which was done what can be done before its turn.
    type Prepared: Send + 'static;

    /// An encoded frame.
    type Features: Clone;

    /// An answer that is written a few tokens at a time behind the cache as it once was, while the cache goes on.
    type Fork;

    /// Turns a picture into the embeddings that stand at its image tokens.
    fn encode(&mut self, picture: Self::Prepared) -> Result<Self::Features, RunError>;

    /// Tokens in the cache.
    fn cache_tokens(&self) -> usize;

    /// Puts `ids` into the cache (`frame` stands at their image tokens), then does what `after` says.
    fn step(
        &mut self,
        ids: &[u32],
        frame: Option<&Self::Features>,
        after: &AfterPrefill,
    ) -> Result<Generated, RunError>;

    /// Generates on a fork of the cache, which is as before afterwards.
    fn generate_on_fork(&mut self, request: &ForkRequest<'_, Self::Features>) -> Result<Vec<u32>, RunError>;

    /// A fork of the cache as it is now, on which `ids` are answered.
    fn fork(&mut self, ids: &[u32]) -> Result<Self::Fork, RunError>;

    /// At most `max_new_tokens` more tokens of a fork's answer; the stream's own cache is as before afterwards.
    fn continue_fork(&mut self, fork: &mut Self::Fork, max_new_tokens: usize) -> Result<Vec<u32>, RunError>;

    /// Tokens that a fork holds: what the cache held, what was asked and what has been answered.
    fn fork_tokens(&self, fork: &Self::Fork) -> usize;

    /// The cosine of two frames' embeddings.
    fn similarity(&self, one: &Self::Features, other: &Self::Features) -> Result<f64, RunError>;

    /// Rebuilds the cache from `pieces`, in order.
    fn evict(&mut self, pieces: &[ResolvedPiece], positions: PositionPolicy) -> Result<Evicted, RunError>;

    /// Cuts the cache back to `tokens`.
    fn truncate(&mut self, tokens: usize) -> Result<(), RunError>;

    /// Everything that has to be known to go on in another process: the cache, what `fork` has of its own, the features that
    /// the loop keeps, the state of random numbers and decisions.
    fn suspend<'a>(
        &'a self,
        fork: Option<&'a Self::Fork>,
        last_frame: Option<&'a Self::Features>,
    ) -> Result<SuspendedModel<'a>, RunError>;

    /// Goes on from what [`Self::suspend`] gave. After an error nothing can be done with the model.
    fn resume(
        &mut self,
        description: &Value,
        tensors: &StoredTensors,
    ) -> Result<ResumedModel<Self::Fork, Self::Features>, UnfitError>;

    /// A message in the middle of the stream (`first`: at the start of an empty cache).
    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, RunError>;

    /// What stands before a reply that was asked for.
    fn encode_generation_prompt(&self) -> Result<Encoded, RunError>;

    /// A frame's tokens, with its time in seconds where the text shows it.
    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, RunError>;

    /// Token ids of plain text, without any special token added.
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, RunError>;

    /// The text of generated ids, without special tokens, image tokens and a leading role.
    fn clean_reply(&self, ids: &[u32]) -> Result<String, RunError>;

    /// The id that is both "stay silent" and the end of an utterance.
    fn end_of_utterance(&self) -> u32;

    /// Whether a reply ends with this token; a checkpoint may name others beside the one that is silence.
    fn ends_reply(&self, token: u32) -> bool {
        token == self.end_of_utterance()
    }
}
