//! What an engine and its streams are told before they begin.

use std::sync::Arc;

use prospect_config::Settings;
use prospect_model::StoredTensors;
use prospect_session::{Guidance, Language, OverflowRule, SessionMemory, SessionOptions};
use serde_json::Value;

use crate::stream_model::CacheOptions;

/// How an engine serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// Bytes that all caches may take together; `None` is no limit.
    pub memory: Option<u64>,
    /// Most tokens that a stream says before the others have their turn, at least 1.
    pub slice: usize,
}

impl Default for EngineOptions {
    /// No limit, and slices of 8 tokens.
    fn default() -> Self {
        Self { memory: None, slice: 8 }
    }
}

/// A stream that is to be opened.
pub struct StreamSetup {
    /// The checkpoint's tokenizer and template.
    pub language: Arc<dyn Language>,
    /// What happens when the cache is full.
    pub rule: OverflowRule,
    /// What the loop works from.
    pub options: SessionOptions,
    /// What the cache is made for.
    pub cache: CacheOptions,
    /// Whether replies are told while they are generated ([`Output::Words`](crate::Output::Words)), and not only as a whole. No trace depends on it.
    pub tells_words: bool,
    /// Where it goes on, of a stream that was written down.
    pub resumption: Option<Resumption>,
}

impl StreamSetup {
    /// A stream that begins, as settings and guidance say; nobody hears its replies before they are over.
    pub fn new(
        language: Arc<dyn Language>,
        rule: OverflowRule,
        settings: &Settings,
        guidance: Guidance,
    ) -> Self {
        let cache = CacheOptions {
            max_seq_len: settings.context.max_seq_len,
            positions: rule.positions(),
            threshold: settings.stream.not_talk_threshold,
            sampling: settings.generation.sampling,
        };
        let options = SessionOptions::new(settings, guidance);
        Self { language, rule, options, cache, tells_words: false, resumption: None }
    }
}

/// A stream that was written down.
pub struct Resumption {
    /// What the loop remembers.
    pub memory: SessionMemory,
    /// What the model remembers and is no tensor.
    pub model: Value,
    /// What is one.
    pub tensors: StoredTensors,
}
