//! The rules of a stream's evictions: Prospect's, which keep the cache within its bound, or ProAssist's, for
//! comparison.
//!
//! ProAssist (arXiv 2506.05904; pro-assist/ProAssist, `mmassist/model/modeling_proact.py`) looks at the cache
//! after a frame and its reply, by the reserve alone. It shows the current frame in the place of the
//! generation prompt, loses the pending token, and decides on the summary by its default threshold. It puts
//! even an empty summary in, with the next frame.

use prospect_context::account::Account;
use prospect_context::{OverflowTrigger, Role, SummaryRequest, Trigger};

use crate::error::SessionError;
use crate::language::{Language, fit};
use crate::layout::Layout;
use crate::work::Then;

/// A question that is answered on a fork of the cache.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) ids: Vec<u32>,
    /// Whether the embeddings of the current frame are put at its image tokens.
    pub(crate) with_frame: bool,
    pub(crate) then: Then,
}

impl Question {
    /// A question: the waiting tokens, then `prompt`, then the generation prompt.
    pub(crate) fn behind_waiting(
        language: &dyn Language,
        layout: &Layout,
        account: &Account<Vec<u32>>,
        prompt: &str,
        max_new_tokens: usize,
    ) -> Result<Self, SessionError> {
        let mut ids: Vec<u32> = account.waiting().flatten().copied().collect();
        ids.extend(layout.question(language, account, Some(prompt))?.ids);
        ids.extend(language.encode_generation_prompt()?.ids);
        Ok(Self { ids, with_frame: false, then: Then::Answer { max_new_tokens, may_be_silent: false } })
    }
}

/// Says when a cache is reduced, and how the model is asked for a summary.
pub(crate) trait EvictionRules: Send + Sync {
    /// The trigger of the strategies that follow these rules.
    fn trigger(&self) -> Trigger;

    /// The reason why the cache has to be reduced before a chunk of `own` tokens, and the number of tokens
    /// that come in.
    fn before_chunk(&self, account: &Account<Vec<u32>>, own: usize) -> Option<(OverflowTrigger, usize)>;

    /// The same for the moment after a frame and its reply.
    fn after_frame(&self, account: &Account<Vec<u32>>) -> Option<(OverflowTrigger, usize)>;

    /// Whether summaries may be written before the overflow.
    fn writes_early(&self) -> bool;

    /// The question that asks the model for a summary. It follows all waiting tokens.
    fn question(
        &self,
        language: &dyn Language,
        layout: &Layout,
        account: &Account<Vec<u32>>,
        request: &SummaryRequest,
    ) -> Result<Question, SessionError> {
        Question::behind_waiting(language, layout, account, &request.prompt, request.max_new_tokens)
    }

    /// The tokens of the summary that go in.
    fn summary(
        &self,
        language: &dyn Language,
        text: String,
        request: &SummaryRequest,
        time: f64,
    ) -> Result<String, SessionError>;
}

/// The rules of strategies with this trigger.
pub(crate) fn of(trigger: Trigger) -> Box<dyn EvictionRules> {
    match trigger {
        Trigger::BeforeChunk => Box::new(Own),
        Trigger::AfterFrame => Box::new(ProAssist),
    }
}

/// Prospect's rules: the check is before a chunk goes in, and the cache never grows past its bound.
struct Own;

impl EvictionRules for Own {
    fn trigger(&self) -> Trigger {
        Trigger::BeforeChunk
    }

    fn before_chunk(&self, account: &Account<Vec<u32>>, own: usize) -> Option<(OverflowTrigger, usize)> {
        account.overflow_before(own).map(|trigger| (trigger, account.incoming(own)))
    }

    fn after_frame(&self, _: &Account<Vec<u32>>) -> Option<(OverflowTrigger, usize)> {
        None
    }

    fn writes_early(&self) -> bool {
        true
    }

    fn summary(
        &self,
        language: &dyn Language,
        text: String,
        request: &SummaryRequest,
        time: f64,
    ) -> Result<String, SessionError> {
        let text = fit(language, &text, request.max_new_tokens)?;
        match text.is_empty() {
            true => Err(SessionError::EmptySummary { time, prompt: request.prompt.clone() }),
            false => Ok(text),
        }
    }
}

/// ProAssist's rules: the check is after each frame and its reply.
struct ProAssist;

impl EvictionRules for ProAssist {
    fn trigger(&self) -> Trigger {
        Trigger::AfterFrame
    }

    fn before_chunk(&self, _: &Account<Vec<u32>>, _: usize) -> Option<(OverflowTrigger, usize)> {
        None
    }

    fn after_frame(&self, account: &Account<Vec<u32>>) -> Option<(OverflowTrigger, usize)> {
        account.overflow_after()
    }

    fn writes_early(&self) -> bool {
        false
    }

    fn question(
        &self,
        language: &dyn Language,
        layout: &Layout,
        account: &Account<Vec<u32>>,
        request: &SummaryRequest,
    ) -> Result<Question, SessionError> {
        let max_new_tokens = request.max_new_tokens;
        if !request.with_current_frame {
            return Question::behind_waiting(language, layout, account, &request.prompt, max_new_tokens);
        }
        let question = language.encode_message(Role::User, &request.prompt, false)?;
        let shown = language.encode_frame(None)?;
        let then = Then::Answer { max_new_tokens, may_be_silent: true };
        Ok(Question { ids: [question.ids, shown.ids].concat(), with_frame: true, then })
    }

    fn summary(
        &self,
        _: &dyn Language,
        text: String,
        _: &SummaryRequest,
        _: f64,
    ) -> Result<String, SessionError> {
        Ok(text)
    }
}
