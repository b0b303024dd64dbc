//! Whose rules a stream's evictions follow: ours, which keep the cache within its bound, or ProAssist's, for comparison.
//!
//! ProAssist (arXiv 2506.05904; pro-assist/ProAssist, `mmassist/model/modeling_proact.py`) looks at the cache after a frame
//! and its reply, by the reserve alone; it shows the current frame where the generation prompt would stand, loses the
//! pending token, decides on the summary by its default threshold, and puts even an empty one in, with the next frame.

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
    /// Whether the current frame's embeddings stand at its image tokens.
    pub(crate) with_frame: bool,
    pub(crate) then: Then,
}

impl Question {
    /// `prompt` behind what waits to go in, and what stands before a reply.
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

/// When a cache is reduced, and how a summary is asked for.
pub(crate) trait EvictionRules: Send + Sync {
    /// When that is, as strategies say it.
    fn trigger(&self) -> Trigger;

    /// Why the cache has to be reduced before a chunk of `own` tokens, and how many come in then.
    fn before_chunk(&self, account: &Account<Vec<u32>>, own: usize) -> Option<(OverflowTrigger, usize)>;

    /// The same after a frame and its reply.
    fn after_frame(&self, account: &Account<Vec<u32>>) -> Option<(OverflowTrigger, usize)>;

    /// Whether summaries may be written before the overflow.
    fn writes_early(&self) -> bool;

    /// What asks the model for a summary: the prompt behind everything that is said.
    fn question(
        &self,
        language: &dyn Language,
        layout: &Layout,
        account: &Account<Vec<u32>>,
        request: &SummaryRequest,
    ) -> Result<Question, SessionError> {
        Question::behind_waiting(language, layout, account, &request.prompt, request.max_new_tokens)
    }

    /// The summary as it goes in.
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

/// Before a chunk goes in: the cache never passes its bound.
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

/// After each frame and its reply.
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
