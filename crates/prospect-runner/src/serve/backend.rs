//! Opens streams on one checkpoint, with the settings of the server and of a session.

use std::num::NonZeroUsize;
use std::sync::Arc;

use prospect_config::{ExceedContextHandling, Layers};
use prospect_engine::{Engine, EngineLoad, EngineOptions, SmolVlmStreams};
use prospect_evaluation::annotations::Annotations;
use prospect_processor::RgbImage;
use prospect_server::{About, Backend, Chat, ChatAnswer, Demo, LiveStream, Load, OpenError, OpenRequest};

use super::asked::Asked;
use super::chat::answer as chat_answer;
use super::refusal::refusal;
use super::shared::SharedModel;
use super::stream::{Driven, SessionStream};
use crate::checkpoint::Checkpoint;
use crate::error::RunError;
use crate::strategies::Registry;

/// One checkpoint, one engine, and the settings from which sessions begin.
pub struct ModelBackend {
    shared: Arc<SharedModel>,
    layers: Layers,
    about: About,
}

impl ModelBackend {
    /// A backend whose caches use at most `memory` bytes together.
    ///
    /// # Errors
    /// The engine cannot be started.
    pub fn new(
        checkpoint: Checkpoint,
        layers: Layers,
        strategies: Arc<Registry>,
        memory: Option<u64>,
        checkpoint_every: NonZeroUsize,
        demo: Option<Demo>,
    ) -> Result<Self, RunError> {
        let settings = layers.clone().resolve()?;
        let (fps, max_new_tokens) = (settings.stream.fps, settings.generation.max_new_tokens);
        let names = ExceedContextHandling::built_in().map(str::to_owned).collect();
        let model = SmolVlmStreams::new(Arc::clone(&checkpoint.model), &checkpoint.processor);
        let options = EngineOptions { memory, ..EngineOptions::default() };
        let engine = Engine::start(Arc::new(model), options)?;
        let shared = Arc::new(SharedModel { checkpoint, engine, strategies, checkpoint_every });
        Ok(Self { shared, layers, about: About { fps, max_new_tokens, strategies: names, demo } })
    }
}

impl Backend for ModelBackend {
    fn model(&self) -> &str {
        &self.shared.checkpoint.name
    }

    fn about(&self) -> About {
        self.about.clone()
    }

    fn open(&self, request: OpenRequest) -> Result<Box<dyn LiveStream>, OpenError> {
        let asked = Asked::new(&self.layers, request.system_prompt.as_deref());
        let asked = asked.map_err(|error| refusal(&error))?;
        let settings = asked.settings(&self.shared, &request.settings).map_err(|error| refusal(&error))?;
        let task_knowledge = request.task_knowledge.clone();
        let annotations = Annotations { task_knowledge, ..Annotations::default() };
        let driven = Driven { shared: Arc::clone(&self.shared), asked, settings, annotations, request };
        SessionStream::start(driven).map(|stream| Box::new(stream) as _)
    }

    fn answer(&self, chat: &Chat, hear: &mut dyn FnMut(&str) -> bool) -> Result<ChatAnswer, OpenError> {
        let mut answered = || {
            let mut layers = self.layers.clone();
            for (key, value) in &chat.settings {
                layers = layers.flag(key, key, value)?;
            }
            chat_answer(&self.shared, &layers.resolve()?, chat, hear)
        };
        answered().map_err(|error: RunError| refusal(&error))
    }

    fn video_frame(&self, frame: &RgbImage) -> Result<RgbImage, OpenError> {
        let tile = self.shared.checkpoint.processor.video_tile(frame);
        tile.map_err(|error| OpenError::Refused(error.to_string()))
    }

    fn load(&self) -> Load {
        let EngineLoad { streams, cache_bytes, memory, frames_waiting } = self.shared.engine.load();
        Load { streams, cache_bytes, cache_limit: memory, frames_waiting }
    }
}
