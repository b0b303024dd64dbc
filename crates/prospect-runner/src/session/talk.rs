//! When the assistant speaks, and what it is asked then.

use prospect_config::{SubstepSource, TalkPolicy};
use prospect_context::{DialogueState, Role};
use serde::{Deserialize, Serialize};

use crate::annotations::Annotations;
use crate::error::RunError;
use crate::session::dialogue::{annotated_state, detected_state};
use crate::stream_model::{AfterPrefill, ForkRequest, StreamModel};

/// Most tokens of a substep's name that the model gave; a longer one is cut.
const MAX_SUBSTEP_TOKENS: usize = 24;
/// Frame times are quotients; a difference below this is rounding, not time.
const TOLERANCE: f64 = 1e-6;
/// Stands for the substep before the first one.
const NO_SUBSTEP: &str = "nothing";

/// A reply that is due, with what asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    /// A user message that goes in before the reply.
    pub(super) prompt: Option<String>,
    /// Text after which the reply starts; `None` takes the chat template's.
    pub(super) generation_prompt: Option<String>,
}

/// A talk policy and what it remembers.
pub(super) struct TalkState {
    policy: TalkPolicy,
    memory: TalkMemory,
    /// Most tokens that a fork of the cache had since somebody asked.
    fork_tokens: usize,
}

/// What a talk policy remembers from frame to frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TalkMemory {
    /// Whole periods that have passed under [`TalkPolicy::Every`].
    periods: Option<f64>,
    /// A user message went in with this frame.
    asked: bool,
    /// Substeps so far, without repetition; the last one is under way.
    substeps: Vec<String>,
}

impl TalkState {
    pub(super) fn new(policy: &TalkPolicy) -> Self {
        Self { policy: policy.clone(), memory: TalkMemory::default(), fork_tokens: 0 }
    }

    pub(super) fn memory(&self) -> &TalkMemory {
        &self.memory
    }

    pub(super) fn remember(&mut self, memory: TalkMemory) {
        self.memory = memory;
    }

    /// What the model does right after a frame.
    pub(super) fn after_frame(&self, max_new_tokens: usize) -> AfterPrefill {
        match self.policy {
            TalkPolicy::Proactive => AfterPrefill::Decide { max_new_tokens },
            _ => AfterPrefill::Nothing,
        }
    }

    /// Most tokens that the cache and a question behind it had since the last call; 0 where nothing was asked.
    pub(super) fn take_fork_tokens(&mut self) -> usize {
        std::mem::take(&mut self.fork_tokens)
    }

    /// Tells the policy that a user message went in.
    pub(super) fn asked(&mut self) {
        self.memory.asked = true;
    }

    /// The dialogue state: annotated, or else what the model named.
    pub(super) fn dialogue_state(
        &self,
        annotations: Option<&Annotations>,
        time: f64,
    ) -> Option<DialogueState> {
        let annotated = annotations.and_then(|annotations| annotated_state(annotations, time));
        annotated.or_else(|| detected_state(&self.memory.substeps))
    }

    /// Whether the run will ever have a dialogue state.
    pub(super) fn has_dialogue_state(&self, annotations: Option<&Annotations>) -> bool {
        let detects =
            matches!(self.policy, TalkPolicy::OnTransition { substep_source: SubstepSource::Model, .. });
        detects || annotations.is_some_and(|annotations| !annotations.substeps.is_empty())
    }

    /// The reply that is due at this frame, if one is.
    pub(super) fn turn<M: StreamModel>(
        &mut self,
        model: &mut M,
        annotations: Option<&Annotations>,
        max_new_tokens: usize,
        time: f64,
    ) -> Result<Option<Turn>, RunError> {
        let asked = std::mem::take(&mut self.memory.asked);
        let plain = Turn { prompt: None, generation_prompt: None };
        match &self.policy {
            TalkPolicy::Proactive => Ok(None),
            TalkPolicy::OnRequest => Ok(asked.then_some(plain)),
            TalkPolicy::Every { seconds } => {
                let periods = ((time + TOLERANCE) / seconds).floor();
                // The first frame only starts the clock, wherever in the video it is.
                let due = self.memory.periods.replace(periods).is_some_and(|before| periods > before);
                Ok(due.then_some(plain))
            }
            TalkPolicy::OnTransition { substep_source, detection_prompt, .. } => {
                let substep = match substep_source {
                    SubstepSource::Annotations => annotations
                        .and_then(|annotations| annotations.substep(time))
                        .map(|substep| substep.name.clone()),
                    SubstepSource::Model => {
                        let (substep, tokens) = detect(model, detection_prompt, max_new_tokens)?;
                        self.fork_tokens = self.fork_tokens.max(tokens);
                        substep
                    }
                };
                Ok(substep.and_then(|substep| self.transition(substep)))
            }
        }
    }

    /// The turn at a change of substep.
    fn transition(&mut self, substep: String) -> Option<Turn> {
        let TalkPolicy::OnTransition { dialogue_prompt, generation_prompt, .. } = &self.policy else {
            return None;
        };
        if self.memory.substeps.last() == Some(&substep) {
            return None;
        }
        let before = self.memory.substeps.last().map_or(NO_SUBSTEP, String::as_str);
        let turn = Turn {
            prompt: Some(fill(dialogue_prompt, before, &substep)),
            generation_prompt: generation_prompt.clone(),
        };
        self.memory.substeps.push(substep);
        Some(turn)
    }

    /// Most tokens that go in to ask for one reply, besides the reply itself.
    pub(super) fn prompt_room<M: StreamModel>(
        &self,
        model: &M,
        annotations: Option<&Annotations>,
    ) -> Result<usize, RunError> {
        let template = model.encode_generation_prompt()?.ids.len();
        let user = |text: &str| Ok::<_, RunError>(model.encode_message(Role::User, text, false)?.ids.len());
        match &self.policy {
            // The reply starts by itself.
            TalkPolicy::Proactive => Ok(0),
            TalkPolicy::OnRequest | TalkPolicy::Every { .. } => Ok(template),
            TalkPolicy::OnTransition {
                substep_source,
                detection_prompt,
                dialogue_prompt,
                generation_prompt,
            } => {
                let own = generation_prompt.as_ref().map(|text| model.encode_text(text)).transpose()?;
                let before_reply = own.map_or(template, |ids| ids.len());
                let occurrences = dialogue_prompt.matches("_substep}").count();
                let dialogue = user(&fill(dialogue_prompt, "", ""))? + before_reply;
                match substep_source {
                    SubstepSource::Model => {
                        let detection = user(detection_prompt)? + template;
                        Ok(detection.max(dialogue + occurrences * MAX_SUBSTEP_TOKENS))
                    }
                    SubstepSource::Annotations => {
                        let substeps = annotations.map_or(&[][..], |annotations| &annotations.substeps);
                        let mut longest = model.encode_text(NO_SUBSTEP)?.len();
                        for substep in substeps {
                            longest = longest.max(model.encode_text(&substep.name)?.len());
                        }
                        // A name may fall apart into one more token where it is glued to its surroundings.
                        Ok(dialogue + occurrences * (longest + 2))
                    }
                }
            }
        }
    }
}

fn fill(prompt: &str, before: &str, now: &str) -> String {
    prompt.replace("{prev_substep}", before).replace("{curr_substep}", now)
}

/// Asks the model, on a fork of its cache, which substep it sees; `None` if it names none. Beside it, the tokens of the fork.
fn detect<M: StreamModel>(
    model: &mut M,
    prompt: &str,
    max_new_tokens: usize,
) -> Result<(Option<String>, usize), RunError> {
    let mut ids = model.encode_message(Role::User, prompt, false)?.ids;
    ids.extend(model.encode_generation_prompt()?.ids);
    let max_new_tokens = max_new_tokens.min(MAX_SUBSTEP_TOKENS);
    let answer =
        model.generate_on_fork(&ForkRequest { ids: &ids, frame: None, max_new_tokens, decide: false })?;
    let tokens = model.cache_tokens() + ids.len() + answer.len().saturating_sub(1);
    let name = model.clean_reply(&answer)?;
    let name = fit(model, &name, MAX_SUBSTEP_TOKENS)?;
    Ok(((!name.is_empty()).then_some(name), tokens))
}

/// `text`, cut at the end until it takes at most `tokens` tokens: text that is decoded and encoded again may have grown.
pub(super) fn fit<M: StreamModel>(model: &M, text: &str, tokens: usize) -> Result<String, RunError> {
    let mut text = text.to_owned();
    while model.encode_text(&text)?.len() > tokens {
        text.pop();
    }
    Ok(text.trim().to_owned())
}
