//! The model as an engine sees it: shared weights, and a cache for every stream.

use prospect_config::{NotTalkThreshold, SamplingSettings};
use prospect_context::PositionPolicy;
use prospect_model::{StoredTensor, StoredTensors};
use prospect_session::{ResolvedPiece, Said, Then};
use serde_json::Value;

use crate::error::{EngineError, UnfitError};

/// What a cache is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheOptions {
    /// Most tokens that it ever holds.
    pub max_seq_len: usize,
    /// What happens to positions at an eviction.
    pub positions: PositionPolicy,
    /// When the not-talk token wins.
    pub threshold: NotTalkThreshold,
    /// How words are picked.
    pub sampling: SamplingSettings,
}

/// One stream's part of a pass.
pub struct TalkPart<'a, M: StreamModel + ?Sized> {
    /// Its cache.
    pub cache: &'a mut M::Cache,
    /// What goes in.
    pub input: TalkInput<'a, M::Features>,
}

/// What goes into a cache, and what is to follow.
#[derive(Debug)]
pub enum TalkInput<'a, F> {
    /// A chunk.
    Prefill {
        /// Token ids.
        ids: &'a [u32],
        /// What stands at their image tokens.
        frame: Option<&'a F>,
        /// What follows.
        then: Then,
    },
    /// The reply that the last chunk began goes on.
    Decode,
    /// The answer on the fork goes on; the cache is as before afterwards.
    Fork {
        /// Most tokens.
        max_new_tokens: usize,
    },
}

/// What a model remembers of a stream, on its way into a file.
pub struct SuspendedModel<'a> {
    /// What is no tensor.
    pub description: Value,
    /// Borrowed from where they lie.
    pub tensors: Vec<StoredTensor<'a>>,
}

/// What came back of a stream beside its cache.
pub struct ResumedModel<F> {
    /// Whether there is an answer in the making.
    pub fork: bool,
    /// The embeddings of the frame before, if they were kept.
    pub last_frame: Option<F>,
}

/// Weights that many streams share.
///
/// The result of a part depends on its own cache and input alone: not on the other parts, not on how many there are.
pub trait StreamModel: Send + Sync + 'static {
    /// A picture on which was done what can be done before its turn.
    type PreparedPicture: Send + 'static;

    /// An encoded frame.
    type Features: Clone + Send + 'static;

    /// The cache of one stream, with what it is about to say.
    type Cache: Send + 'static;

    /// An empty cache.
    fn open(&self, options: &CacheOptions) -> Result<Self::Cache, EngineError>;

    /// Bytes that it takes.
    fn cache_bytes(&self, options: &CacheOptions) -> u64;

    /// Tokens in a cache.
    fn cache_tokens(&self, cache: &Self::Cache) -> usize;

    /// How many pictures are best encoded at once.
    fn pictures_at_once(&self) -> usize {
        1
    }

    /// Turns pictures, of one stream each, into the embeddings that stand at their image tokens.
    fn encode(&self, pictures: Vec<Self::PreparedPicture>) -> Vec<Result<Self::Features, EngineError>>;

    /// The cosine of two frames' embeddings.
    fn similarity(&self, one: &Self::Features, other: &Self::Features) -> Result<f64, EngineError>;

    /// Takes the parts in, and goes on with what those say that speak, until each has said `most` tokens or is finished. What
    /// each said, in their order.
    fn talk(&self, parts: &mut [TalkPart<'_, Self>], most: usize) -> Vec<Result<Said, EngineError>>;

    /// Another threshold for the decisions to come.
    fn set_threshold(&self, cache: &mut Self::Cache, threshold: NotTalkThreshold);

    /// Forgets the reply in the making. What was said of it stays, all but the last token in the cache.
    fn cut_reply(&self, cache: &mut Self::Cache);

    /// Remembers a cache as it is now, so that `ids` can be answered behind it while it goes on.
    fn fork(&self, cache: &mut Self::Cache, ids: Vec<u32>) -> Result<(), EngineError>;

    /// Forgets the fork.
    fn drop_fork(&self, cache: &mut Self::Cache);

    /// Rebuilds a cache from `pieces`, in order. Whether positions were moved back to start at 0.
    fn evict(
        &self,
        cache: &mut Self::Cache,
        pieces: &[ResolvedPiece],
        positions: PositionPolicy,
    ) -> Result<bool, EngineError>;

    /// Cuts a cache back to `tokens`.
    fn truncate(&self, cache: &mut Self::Cache, tokens: usize);

    /// Everything that has to be known to go on in another process: the cache, its fork, the embeddings of the frame before,
    /// the state of random numbers and decisions.
    fn suspend<'a>(
        &self,
        cache: &'a Self::Cache,
        last_frame: Option<&'a Self::Features>,
    ) -> Result<SuspendedModel<'a>, EngineError>;

    /// Goes on from what [`Self::suspend`] gave. After an error nothing can be done with the cache.
    fn resume(
        &self,
        cache: &mut Self::Cache,
        description: &Value,
        tensors: &StoredTensors,
    ) -> Result<ResumedModel<Self::Features>, UnfitError>;
}
