//! The fake model of the sessions' tests, under an engine.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use prospect_config::{Layers, Settings};
use prospect_context::PositionPolicy;
use prospect_model::StoredTensors;
use prospect_session::fake::{FakeCache, FakeLanguage, Script};
use prospect_session::registry::Registry;
use prospect_session::{Done, Guidance, ResolvedPiece, Said, Work};
use serde_json::Value;

use crate::error::{EngineError, UnfitError};
use crate::stream_model::{CacheOptions, ResumedModel, StreamModel, SuspendedModel, TalkInput, TalkPart};
use crate::{Engine, EngineOptions, StreamSetup};

pub(super) const FRAME_TOKENS: usize = 8;

/// Says what its script says; a stream's script is chosen by the tokens that its cache may hold.
pub(super) struct FakeStreams {
    pub(super) script: Script,
    /// Every pass waits for a permit, where a test leads it step by step.
    permits: Option<std::sync::Mutex<Receiver<()>>>,
    /// How long an eviction takes.
    pub(super) eviction: std::time::Duration,
    /// How many streams each pass had.
    pub(super) passes: std::sync::Mutex<Vec<usize>>,
}

impl FakeStreams {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script,
            permits: None,
            eviction: std::time::Duration::ZERO,
            passes: std::sync::Mutex::default(),
        }
    }

    /// A model whose passes wait for the sender.
    pub(super) fn led(script: Script) -> (Self, Sender<()>) {
        let (permit, permits) = channel();
        (Self { permits: Some(permits.into()), ..Self::new(script) }, permit)
    }

    fn work(&self, cache: &mut FakeCache, work: Work, slice: usize) -> Option<Done> {
        cache.perform(&self.script, work, slice)
    }
}

impl StreamModel for FakeStreams {
    type PreparedPicture = ();
    type Features = ();
    type Cache = FakeCache;

    fn open(&self, options: &CacheOptions) -> Result<FakeCache, EngineError> {
        Ok(FakeCache::new(options.max_seq_len))
    }

    fn cache_bytes(&self, options: &CacheOptions) -> u64 {
        options.max_seq_len as u64
    }

    fn cache_tokens(&self, cache: &FakeCache) -> usize {
        cache.ids.len()
    }

    fn encode(&self, pictures: Vec<()>) -> Vec<Result<(), EngineError>> {
        pictures.into_iter().map(|()| Ok(())).collect()
    }

    fn similarity(&self, (): &(), (): &()) -> Result<f64, EngineError> {
        Ok(0.9)
    }

    fn talk(&self, parts: &mut [TalkPart<'_, Self>], most: usize) -> Vec<Result<Said, EngineError>> {
        if let Some(permits) = &self.permits {
            // Whoever leads has gone: nothing holds the passes back any more.
            let _ = permits.lock().unwrap().recv();
        }
        self.passes.lock().unwrap().push(parts.len());
        let talk = |part: &mut TalkPart<'_, Self>| {
            let work = match &part.input {
                TalkInput::Prefill { ids, frame, then } => {
                    Work::Prefill { ids: ids.to_vec(), with_frame: frame.is_some(), then: *then }
                }
                TalkInput::Decode => Work::Decode,
                TalkInput::Fork { max_new_tokens } => Work::ContinueFork { max_new_tokens: *max_new_tokens },
            };
            match self.work(part.cache, work, most) {
                Some(Done::Said(said)) => Ok(said),
                other => panic!("{other:?} is nothing that was said"),
            }
        };
        parts.iter_mut().map(talk).collect()
    }

    /// Its script decides.
    fn set_threshold(&self, _: &mut FakeCache, _: prospect_config::NotTalkThreshold) {}

    fn cut_reply(&self, cache: &mut FakeCache) {
        cache.cut_reply();
    }

    fn fork(&self, cache: &mut FakeCache, ids: Vec<u32>) -> Result<(), EngineError> {
        self.work(cache, Work::Fork { ids }, 1);
        Ok(())
    }

    fn drop_fork(&self, cache: &mut FakeCache) {
        self.work(cache, Work::DropFork, 1);
    }

    fn evict(
        &self,
        cache: &mut FakeCache,
        pieces: &[ResolvedPiece],
        positions: PositionPolicy,
    ) -> Result<bool, EngineError> {
        std::thread::sleep(self.eviction);
        self.work(cache, Work::Evict { pieces: pieces.to_vec(), positions }, 1);
        Ok(false)
    }

    fn truncate(&self, cache: &mut FakeCache, tokens: usize) {
        self.work(cache, Work::Truncate { tokens }, 1);
    }

    fn suspend<'a>(
        &self,
        cache: &'a FakeCache,
        _: Option<&'a ()>,
    ) -> Result<SuspendedModel<'a>, EngineError> {
        Ok(SuspendedModel { description: serde_json::to_value(cache).unwrap(), tensors: Vec::new() })
    }

    fn resume(
        &self,
        cache: &mut FakeCache,
        description: &Value,
        _: &StoredTensors,
    ) -> Result<ResumedModel<()>, UnfitError> {
        *cache = serde_json::from_value(description.clone())?;
        Ok(ResumedModel { fork: cache.has_fork(), last_frame: Some(()) })
    }
}

pub(super) fn settings(sets: &[&str]) -> Settings {
    let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
    layers.resolve().unwrap()
}

pub(super) fn setup(settings: &Settings, guidance: &Guidance) -> StreamSetup {
    let rule = Registry::default().overflow_rule(&settings.context).unwrap();
    let language = Arc::new(FakeLanguage { frame_tokens: FRAME_TOKENS });
    StreamSetup::new(language, rule, settings, guidance.clone())
}

pub(super) fn engine(script: Script, options: EngineOptions) -> Engine<FakeStreams> {
    Engine::start(Arc::new(FakeStreams::new(script)), options).unwrap()
}
