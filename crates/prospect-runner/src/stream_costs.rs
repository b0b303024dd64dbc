//! What a stream costs in the cache, by the checkpoint's own tokenizer and chat template.

use std::sync::Arc;

use prospect_config::{CacheCosts, Settings, SummaryPrompt, TalkPolicy};
use prospect_context::account::UserTurn;
use prospect_context::{Budget, Opening, Role};
use prospect_engine::{CheckpointLanguage, EngineError};
use prospect_processor::Processor;
use prospect_session::{Event, Guidance, OverflowRule, Session, SessionOptions};

use crate::error::RunError;

/// A stream in which nobody says anything, in tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SilentStream {
    /// What the cache may hold, and what has to stay free in it.
    pub(crate) budget: Budget,
    /// What opens and closes a user's turn, where frames stand in one.
    pub(crate) user_turn: Option<UserTurn<usize>>,
    /// Tokens that open the stream.
    pub(crate) opening_tokens: usize,
    /// Tokens of a frame, with its time before it and silence behind it where these go in.
    pub(crate) frame_tokens: usize,
    /// Frames per second of stream time.
    pub(crate) fps: f64,
}

impl SilentStream {
    /// A stream under these settings.
    ///
    /// # Errors
    /// What a session refuses: a text that cannot be encoded, a strategy without the steps that it works from.
    pub(crate) fn new(
        settings: &Settings,
        rule: OverflowRule,
        guidance: Guidance,
        processor: &Arc<Processor>,
    ) -> Result<Self, RunError> {
        let options = SessionOptions::new(settings, guidance);
        let (system_prompt, task_knowledge) =
            (options.opening.system_prompt.clone(), options.opening.task_knowledge.clone());
        let opening =
            Opening { system_prompt: &system_prompt, task_knowledge: task_knowledge.as_deref() }.text();
        let opening_tokens = processor.encode_message(Role::System, &opening, true)?.ids.len();
        let language = Arc::new(CheckpointLanguage(Arc::clone(processor)));
        let mut session = Session::new(language, rule, options).map_err(EngineError::from)?;
        let user_turn = session.take_events().into_iter().find_map(|event| match event {
            Event::Budget { user_turn, .. } => user_turn,
            _ => None,
        });
        let frame_tokens = frame_tokens(settings, processor)?;
        let fps = settings.stream.fps;
        Ok(Self { budget: session.budget(), user_turn, opening_tokens, frame_tokens, fps })
    }
}

/// Tokens that a frame takes with everything that goes in with it.
fn frame_tokens(settings: &Settings, processor: &Processor) -> Result<usize, RunError> {
    let stream = &settings.stream;
    let frame = processor.encode_frame(stream.frame_time_text.then_some(0.0))?.ids.len();
    Ok(frame + silence_tokens(settings))
}

/// Silence is a token of its own where the model decides.
pub(crate) fn silence_tokens(settings: &Settings) -> usize {
    usize::from(settings.stream.talk == TalkPolicy::Proactive)
}

/// What a stream under these settings costs, whatever its strategy does. A token costs so many bytes.
///
/// # Errors
/// As for [`SilentStream::new`].
pub(crate) fn cache_costs(
    settings: &Settings,
    processor: &Arc<Processor>,
    bytes_per_token: usize,
) -> Result<CacheCosts, RunError> {
    let stream = SilentStream::new(settings, OverflowRule::Unlimited, Guidance::default(), processor)?;
    let asking = stream.budget.max_reply_tokens.saturating_sub(settings.generation.max_new_tokens);
    let turn = stream.user_turn.map_or(0, |turn| turn.opening);
    let mut fixed_tokens = stream.opening_tokens + turn + asking;
    if let Some(SummaryPrompt { prompt, .. }) = settings.context.strategy.summary_prompt() {
        let question = processor.encode_message(Role::User, prompt, false)?.ids.len();
        fixed_tokens += question + processor.encode_generation_prompt()?.ids.len();
    }
    Ok(CacheCosts { bytes_per_token, frame_tokens: stream.frame_tokens, fixed_tokens })
}
