//! When the assistant speaks, and what it is asked then.

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

/// Most tokens of a step's name that the model gave; a longer one is cut.
pub(crate) const MAX_STEP_TOKENS: usize = 24;
/// Frame times are quotients; a difference below this is rounding, not time.
const TOLERANCE: f64 = 1e-6;
/// Stands for the step before the first one.
const NO_STEP: &str = "nothing";

/// A reply that is due, with what asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompted {
    /// A user message that goes in before the reply.
    pub(crate) prompt: Option<String>,
    /// Text after which the reply starts; `None` takes the chat template's.
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
    /// Whole periods that have passed under [`TalkPolicy::Every`].
    periods: Option<f64>,
    /// A user message went in with this frame.
    asked: bool,
    /// Steps so far, without repetition; the last one is under way.
    steps: Vec<String>,
    /// Whole periods of [`TalkPolicy::OnTransition`]'s `detect_every` that had passed at the last detection.
    detected: Option<f64>,
    /// The picture and the stream time of the last question under [`TalkPolicy::OnChange`].
    shown: Option<(f64, Thumbnail)>,
}

/// The frame after which something may be due.
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

    /// What the model does right after a frame.
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

    /// The dialogue state: known beforehand, or else what the model named.
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

    /// What is due now that the step is known; `None` if there is none.
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

    /// Most tokens that go in to ask for one reply, besides the reply itself.
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

/// Whole periods of so many seconds that have passed.
fn periods(time: f64, seconds: f64) -> f64 {
    ((time + TOLERANCE) / seconds).floor()
}

fn fill(prompt: &str, before: &str, now: &str) -> String {
    prompt.replace("{prev_substep}", before).replace("{curr_substep}", now)
}
