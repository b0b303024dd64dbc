//! The talk policies: when the assistant speaks, and with which prompt.

use prospect_config::{SubstepSource, TalkPolicy};
use prospect_context::DialogueState;
use serde::{Deserialize, Serialize};

use crate::dialogue::{detected_state, known_state, step_at};
use crate::error::SessionError;
use crate::language::Language;
use crate::layout::Layout;
use crate::options::TaskStep;
use crate::step_names::is_same_step;
use crate::thumbnail::Thumbnail;
use crate::work::Then;

/// The most tokens of a step's name that the model gives. A longer name is cut.
pub(crate) const MAX_STEP_TOKENS: usize = 24;
/// Frame times are quotients. A difference below this is a rounding error.
const TOLERANCE: f64 = 1e-6;
/// The name that is used for the step before the first one.
const NO_STEP: &str = "nothing";

/// A reply that is due, with its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompted {
    /// A user message that goes in before the reply.
    pub(crate) prompt: Option<String>,
    /// The text after which the reply starts; `None` means that of the chat template.
    pub(crate) generation_prompt: Option<String>,
}

/// What a talk policy wants after a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Silence,
    /// A reply.
    Reply(Prompted),
    /// The model is asked for the step of the task first, with this prompt: [`TalkState::step_named`].
    NameStep(String),
}

/// A talk policy and what it remembers.
pub(crate) struct TalkState {
    policy: TalkPolicy,
    memory: TalkMemory,
}

/// What a talk policy remembers from frame to frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TalkMemory {
    /// The number of whole periods that have passed under [`TalkPolicy::Every`].
    periods: Option<f64>,
    /// Whether a user message went in with this frame.
    asked: bool,
    /// The steps so far, without repetition. The last one is the current step.
    steps: Vec<String>,
    /// The number of whole periods of `detect_every` of [`TalkPolicy::OnTransition`] that had passed at the
    /// last detection.
    detected: Option<f64>,
    /// The picture and the stream time of the last question under [`TalkPolicy::OnChange`].
    shown: Option<(f64, Thumbnail)>,
}

/// The frame after which a reply may be due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Stream time in seconds.
    pub(crate) time: f64,
    pub(crate) thumbnail: Thumbnail,
}

impl TalkState {
    pub(crate) fn new(policy: &TalkPolicy) -> Self {
        Self { policy: policy.clone(), memory: TalkMemory::default() }
    }

    pub(crate) fn memory(&self) -> &TalkMemory {
        &self.memory
    }

    pub(crate) fn remember(&mut self, memory: TalkMemory) {
        self.memory = memory;
    }

    /// What the model does directly after a frame.
    pub(crate) fn after_frame(&self, max_new_tokens: usize) -> Then {
        match self.policy {
            TalkPolicy::Proactive => Then::Decide { max_new_tokens },
            _ => Then::Nothing,
        }
    }

    /// Whether the model itself decides when it speaks.
    pub(crate) fn is_proactive(&self) -> bool {
        matches!(self.policy, TalkPolicy::Proactive)
    }

    /// Tells the policy that a user message went in.
    pub(crate) fn asked(&mut self) {
        self.memory.asked = true;
    }

    /// The dialogue state from the annotations, or else from the steps that the model named.
    pub(crate) fn dialogue_state(&self, steps: &[TaskStep], time: f64) -> Option<DialogueState> {
        known_state(steps, time).or_else(|| detected_state(&self.memory.steps))
    }

    /// Whether the stream will ever have a dialogue state.
    pub(crate) fn has_dialogue_state(&self, steps: &[TaskStep]) -> bool {
        let detects =
            matches!(self.policy, TalkPolicy::OnTransition { substep_source: SubstepSource::Model, .. });
        detects || !steps.is_empty()
    }

    /// What is due at this frame.
    pub(crate) fn due(&mut self, steps: &[TaskStep], seen: Seen) -> Due {
        let Seen { time, thumbnail } = seen;
        let asked = std::mem::take(&mut self.memory.asked);
        let (due, prompt) = match &self.policy {
            TalkPolicy::Proactive => (false, None),
            TalkPolicy::OnRequest => (asked, None),
            TalkPolicy::Every { seconds, prompt } => {
                let periods = periods(time, *seconds);
                // The first frame only starts the clock, wherever in the video it is.
                let before = self.memory.periods.replace(periods);
                // What a person just asked is answered at once, and not asked over.
                (asked || before.is_some_and(|before| periods > before), prompt.as_ref().filter(|_| !asked))
            }
            TalkPolicy::OnChange { prompt, difference, pause } => {
                let changed = match &self.memory.shown {
                    // The first picture is news.
                    None => true,
                    Some((then, before)) => {
                        time - then >= pause - TOLERANCE && thumbnail.difference(before) >= *difference
                    }
                };
                if changed {
                    self.memory.shown = Some((time, thumbnail));
                }
                (asked || changed, prompt.as_ref().filter(|_| !asked))
            }
            TalkPolicy::OnTransition {
                substep_source: SubstepSource::Model,
                detection_prompt,
                detect_every,
                ..
            } => {
                if *detect_every > 0.0 {
                    let periods = periods(time, *detect_every);
                    let before = self.memory.detected.replace(periods);
                    if before.is_some_and(|before| periods <= before) {
                        return Due::Silence;
                    }
                }
                return Due::NameStep(detection_prompt.clone());
            }
            TalkPolicy::OnTransition { substep_source: SubstepSource::Annotations, .. } => {
                let step = step_at(steps, time).map(|step| step.name.clone());
                return self.step_named(step);
            }
        };
        match due {
            true => Due::Reply(Prompted { prompt: prompt.cloned(), generation_prompt: None }),
            false => Due::Silence,
        }
    }

    /// What is due after the model has named the step; `None` means that it named no step.
    pub(crate) fn step_named(&mut self, step: Option<String>) -> Due {
        step.and_then(|step| self.transition(step)).map_or(Due::Silence, Due::Reply)
    }

    /// The reply at a change of step.
    fn transition(&mut self, step: String) -> Option<Prompted> {
        let TalkPolicy::OnTransition { dialogue_prompt, generation_prompt, substep_source, .. } =
            &self.policy
        else {
            return None;
        };
        let goes_on = self.memory.steps.last().is_some_and(|before| match substep_source {
            SubstepSource::Annotations => *before == step,
            // A model seldom finds the same words twice.
            SubstepSource::Model => is_same_step(before, &step),
        });
        if goes_on {
            return None;
        }
        let before = self.memory.steps.last().map_or(NO_STEP, String::as_str);
        let prompted = Prompted {
            prompt: Some(fill(dialogue_prompt, before, &step)),
            generation_prompt: generation_prompt.clone(),
        };
        self.memory.steps.push(step);
        Some(prompted)
    }

    /// The most tokens that go in to ask for one reply, without the reply itself.
    pub(crate) fn prompt_room(
        &self,
        language: &dyn Language,
        layout: &Layout,
        steps: &[TaskStep],
    ) -> Result<usize, SessionError> {
        let template = language.encode_generation_prompt()?.ids.len();
        let user = |text: &str| layout.question_tokens(language, Some(text));
        let unasked = layout.question_tokens(language, None)?;
        match &self.policy {
            // The reply starts by itself.
            TalkPolicy::Proactive => Ok(0),
            TalkPolicy::OnRequest => Ok(unasked + template),
            TalkPolicy::Every { prompt, .. } | TalkPolicy::OnChange { prompt, .. } => {
                Ok(prompt.as_deref().map(user).transpose()?.unwrap_or(unasked) + template)
            }
            TalkPolicy::OnTransition {
                substep_source,
                detection_prompt,
                dialogue_prompt,
                generation_prompt,
                detect_every: _,
            } => {
                let own = generation_prompt.as_ref().map(|text| language.encode_text(text)).transpose()?;
                let before_reply = own.map_or(template, |ids| ids.len());
                let occurrences = dialogue_prompt.matches("_substep}").count();
                let dialogue = user(&fill(dialogue_prompt, "", ""))? + before_reply;
                match substep_source {
                    SubstepSource::Model => {
                        let detection = user(detection_prompt)? + template;
                        Ok(detection.max(dialogue + occurrences * MAX_STEP_TOKENS))
                    }
                    SubstepSource::Annotations => {
                        let mut longest = language.encode_text(NO_STEP)?.len();
                        for step in steps {
                            longest = longest.max(language.encode_text(&step.name)?.len());
                        }
                        // A name may fall apart into one more token where it is glued to its surroundings.
                        Ok(dialogue + occurrences * (longest + 2))
                    }
                }
            }
        }
    }
}

/// The number of whole periods of `seconds` that have passed at `time`.
fn periods(time: f64, seconds: f64) -> f64 {
    ((time + TOLERANCE) / seconds).floor()
}

fn fill(prompt: &str, before: &str, now: &str) -> String {
    prompt.replace("{prev_substep}", before).replace("{curr_substep}", now)
}
