//! The options of an engine and of its streams.

use std::sync::Arc;

use prospect_config::Settings;
use prospect_model::StoredTensors;
use prospect_session::{Guidance, Language, OverflowRule, SessionMemory, SessionOptions};
use serde_json::Value;

use crate::stream_model::CacheOptions;

/// The options of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// The bytes that all caches together may take; `None` means no limit.
    pub memory: Option<u64>,
    /// The most tokens that a stream generates before the other streams have their turn, at least 1.
    pub slice: usize,
}

impl Default for EngineOptions {
    /// No memory limit, and slices of 8 tokens.
    fn default() -> Self {
        Self { memory: None, slice: 8 }
    }
}

/// What is needed to open a stream.
pub struct StreamSetup {
    /// The tokenizer and chat template of the checkpoint.
    pub language: Arc<dyn Language>,
    /// What happens when the cache is full.
    pub rule: OverflowRule,
    /// The options of the loop.
    pub options: SessionOptions,
    /// The options of the cache.
    pub cache: CacheOptions,
    /// Whether the words of replies are output while they are generated
    /// ([`Output::Words`](crate::Output::Words)), and not only whole replies. The trace does not depend on
    /// it.
    pub tells_words: bool,
    /// The saved state from which the stream continues; `None` for a new stream.
    pub resumption: Option<Resumption>,
}

impl StreamSetup {
    /// The setup of a new stream, from settings and guidance. It does not output words of replies.
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

/// The saved state of a stream.
pub struct Resumption {
    /// The state of the loop.
    pub memory: SessionMemory,
    /// The state of the model, except for its tensors.
    pub model: Value,
    /// The tensors of the model's state.
    pub tensors: StoredTensors,
}
