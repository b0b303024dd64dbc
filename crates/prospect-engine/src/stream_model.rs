//! The trait of a model in an engine: shared weights, and a cache for every stream.

use prospect_config::{NotTalkThreshold, SamplingSettings};
use prospect_context::PositionPolicy;
use prospect_model::{StoredTensor, StoredTensors};
use prospect_session::{ResolvedPiece, Said, Then};
use serde_json::Value;

use crate::error::{EngineError, UnfitError};

/// The options of a cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheOptions {
    /// The most tokens that the cache ever holds.
    pub max_seq_len: usize,
    /// The positions of kept keys after an eviction.
    pub positions: PositionPolicy,
    /// The threshold of the not-talk token.
    pub threshold: NotTalkThreshold,
    /// How tokens are chosen.
    pub sampling: SamplingSettings,
}

/// One stream's part of a pass.
pub struct TalkPart<'a, M: StreamModel + ?Sized> {
    /// The cache of the stream.
    pub cache: &'a mut M::Cache,
    /// The input.
    pub input: TalkInput<'a, M::Features>,
}

/// The input of a cache in a pass, and what follows it.
#[derive(Debug)]
pub enum TalkInput<'a, F> {
    /// A chunk.
    Prefill {
        /// The token ids.
        ids: &'a [u32],
        /// The features that are put at the image tokens of `ids`.
        frame: Option<&'a F>,
        /// What follows the prefill.
        then: Then,
    },
    /// Continue the reply that the last chunk began.
    Decode,
    /// Continue the answer on the fork. Afterwards the cache is as before.
    Fork {
        /// The most tokens.
        max_new_tokens: usize,
    },
}

/// The model's state of a stream, for a file.
pub struct SuspendedModel<'a> {
    /// The state except for the tensors.
    pub description: Value,
    /// The tensors, borrowed from the model's memory.
    pub tensors: Vec<StoredTensor<'a>>,
}

/// The state of a resumed stream, in addition to its cache.
pub struct ResumedModel<F> {
    /// Whether there is a fork on which an answer is being generated.
    pub fork: bool,
    /// The embeddings of the frame before, if they were kept.
    pub last_frame: Option<F>,
}

/// Weights that many streams share.
///
/// The result of a part depends only on its own cache and input, not on the other parts or their number.
pub trait StreamModel: Send + Sync + 'static {
    /// A picture after the work that is possible before its turn.
    type PreparedPicture: Send + 'static;

    /// An encoded frame.
    type Features: Clone + Send + 'static;

    /// The cache of one stream, with the reply that it is generating.
    type Cache: Send + 'static;

    /// An empty cache.
    fn open(&self, options: &CacheOptions) -> Result<Self::Cache, EngineError>;

    /// The bytes of a cache with these options.
    fn cache_bytes(&self, options: &CacheOptions) -> u64;

    /// The number of tokens in a cache.
    fn cache_tokens(&self, cache: &Self::Cache) -> usize;

    /// The number of pictures that it is best to encode at once.
    fn pictures_at_once(&self) -> usize {
        1
    }

    /// Encodes pictures of different streams into the embeddings for their image tokens.
    fn encode(&self, pictures: Vec<Self::PreparedPicture>) -> Vec<Result<Self::Features, EngineError>>;

    /// The cosine of two frames' embeddings.
    fn similarity(&self, one: &Self::Features, other: &Self::Features) -> Result<f64, EngineError>;

    /// Puts the inputs of the parts in, and generates tokens for those parts that have a reply, until each
    /// has `most` tokens or is finished. Returns the tokens of each part, in the order of the parts.
    fn talk(&self, parts: &mut [TalkPart<'_, Self>], most: usize) -> Vec<Result<Said, EngineError>>;

    /// Changes the threshold for later decisions.
    fn set_threshold(&self, cache: &mut Self::Cache, threshold: NotTalkThreshold);

    /// Ends the reply that is being generated. Its tokens stay; all but the last are in the cache.
    fn cut_reply(&self, cache: &mut Self::Cache);

    /// Remembers the present state of a cache, so that `ids` can be answered behind it while the stream
    /// continues.
    fn fork(&self, cache: &mut Self::Cache, ids: Vec<u32>) -> Result<(), EngineError>;

    /// Drops the fork.
    fn drop_fork(&self, cache: &mut Self::Cache);

    /// Rebuilds a cache from `pieces`, in order. Returns whether positions were moved back to start at 0.
    fn evict(
        &self,
        cache: &mut Self::Cache,
        pieces: &[ResolvedPiece],
        positions: PositionPolicy,
    ) -> Result<bool, EngineError>;

    /// Cuts a cache back to its first `tokens` tokens.
    fn truncate(&self, cache: &mut Self::Cache, tokens: usize);

    /// The state with which another process can continue the stream: the cache, its fork, the embeddings of
    /// the frame before, and the state of random numbers and decisions.
    fn suspend<'a>(
        &self,
        cache: &'a Self::Cache,
        last_frame: Option<&'a Self::Features>,
    ) -> Result<SuspendedModel<'a>, EngineError>;

    /// Continues from the state of [`Self::suspend`]. After an error the cache cannot be used.
    fn resume(
        &self,
        cache: &mut Self::Cache,
        description: &Value,
        tensors: &StoredTensors,
    ) -> Result<ResumedModel<Self::Features>, UnfitError>;
}
