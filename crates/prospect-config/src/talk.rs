//! When the model speaks: talk policies and the not-talk threshold.

use std::str::FromStr;

use toml::Value;

use crate::choice::choice;
use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// When the model speaks, with each policy's own parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum TalkPolicy {
    /// The model decides at the last token of every frame. This needs a model that was trained for it.
    Proactive,
    /// The model is asked to speak when the substep changes. This works with any checkpoint.
    OnTransition {
        /// The source of the current substep.
        substep_source: SubstepSource,
        /// The prompt that asks the model for the current substep. It is used with [`SubstepSource::Model`].
        detection_prompt: String,
        /// The user message at a change of the substep. `{prev_substep}` and `{curr_substep}` are filled in.
        dialogue_prompt: String,
        /// The text after which the reply starts; `None` means that of the chat template.
        generation_prompt: Option<String>,
        /// Stream seconds from one detection to the next, at least 0. At 0 the model is asked at every frame.
        /// Used with [`SubstepSource::Model`].
        detect_every: f64,
    },
    /// A reply every `seconds` of stream time.
    Every {
        /// Stream seconds between replies, above 0.
        seconds: f64,
        /// The question that is asked each time; with `None` the model speaks after the frame alone.
        prompt: Option<String>,
    },
    /// A reply when the picture has changed since the last one.
    OnChange {
        /// The question that is asked each time; with `None` the model speaks after the frame alone.
        prompt: Option<String>,
        /// How much the picture has to differ, in (0, 1]: the mean difference in grey of the tenth of the
        /// picture that changed most, where 1 is the difference of black and white.
        difference: f64,
        /// The least stream seconds from one reply to the next, at least 0.
        pause: f64,
    },
    /// A reply to each user message.
    OnRequest,
}

impl TalkPolicy {
    /// The name as written in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Proactive => TalkName::Proactive,
            Self::OnTransition { .. } => TalkName::OnTransition,
            Self::Every { .. } => TalkName::Every,
            Self::OnChange { .. } => TalkName::OnChange,
            Self::OnRequest => TalkName::OnRequest,
        }
        .as_str()
    }
}

choice! {
    /// The source of the current substep under `on_transition`.
    pub SubstepSource {
        /// From the annotations of the video.
        Annotations = "annotations",
        /// From the model, which is asked with the detection prompt.
        Model = "model",
    }
}

choice! {
    /// Names of the talk policies.
    pub(crate) TalkName {
        /// The model decides at every frame.
        Proactive = "proactive",
        /// The model speaks at a change of the substep.
        OnTransition = "on_transition",
        /// The model speaks at fixed intervals.
        Every = "every",
        /// The model speaks when the picture changes.
        OnChange = "on_change",
        /// The model answers user messages.
        OnRequest = "on_request",
    }
}

/// The threshold of the not-talk token at the end of a frame. Written as `0`, `0.5` or `"diff0.3"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NotTalkThreshold {
    /// `0`: the model is silent if the not-talk token is the most likely one.
    Argmax,
    /// A threshold in (0, 1]: the model is silent only if P(not talk) exceeds it.
    Probability(f64),
    /// A difference in (0, 1]: the model speaks if P(not talk) has fallen by more than this since the last
    /// frame; otherwise the threshold 0.5 applies.
    Diff(f64),
}

impl NotTalkThreshold {
    /// The value as written in settings.
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Argmax => Value::Float(0.0),
            Self::Probability(threshold) => Value::Float(threshold),
            Self::Diff(fall) => Value::String(format!("diff{fall}")),
        }
    }
}

impl FromStr for NotTalkThreshold {
    type Err = &'static str;

    /// Reads `0`, `0.5` or `diff0.3`. The error says what would be valid.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fall = text.strip_prefix("diff");
        let number = fall.unwrap_or(text);
        // f64::from_str also takes "inf", "nan" and signs: a digit in front rules them out.
        let number = number.parse::<f64>().ok().filter(|_| number.starts_with(|c: char| c.is_ascii_digit()));
        match number {
            Some(number) if fall.is_some() && number > 0.0 && number <= 1.0 => Ok(Self::Diff(number)),
            Some(number) if fall.is_none() => Self::from_number(number).ok_or(THRESHOLD),
            _ => Err(THRESHOLD),
        }
    }
}

impl NotTalkThreshold {
    fn from_number(number: f64) -> Option<Self> {
        match number {
            0.0 => Some(Self::Argmax),
            number if number > 0.0 && number <= 1.0 => Some(Self::Probability(number)),
            _ => None,
        }
    }
}

const THRESHOLD: &str =
    "0 (plain argmax), a number in (0, 1], or \"diffX\" with X in (0, 1], such as \"diff0.3\"";

pub(crate) fn threshold(field: Field<'_>) -> Result<NotTalkThreshold, SettingsError> {
    match field.value() {
        Value::String(text) => text.parse().map_err(|expected: &str| field.invalid(expected)),
        _ => {
            let number = field.number(THRESHOLD, |_| true)?;
            NotTalkThreshold::from_number(number).ok_or_else(|| field.invalid(THRESHOLD))
        }
    }
}

const PAUSE: &str = "seconds of at least 0";

pub(crate) fn validate(raw: &Raw) -> Result<TalkPolicy, SettingsError> {
    // All tables are read, so that a mistake in one that is not chosen does not hide until it is.
    let seconds = raw.find("stream.every.seconds");
    let seconds =
        seconds.map(|field| field.number("seconds from 0.001 up", |seconds| seconds >= 1e-3)).transpose()?;
    let prompt = |key| raw.find(key).map(Field::filled_text).transpose();
    let every_prompt = prompt("stream.every.prompt")?;
    let on_change = TalkPolicy::OnChange {
        prompt: prompt("stream.on_change.prompt")?,
        difference: raw
            .need("stream.on_change.difference")?
            .number("a number in (0, 1]", |difference| difference > 0.0 && difference <= 1.0)?,
        pause: raw.need("stream.on_change.pause")?.number(PAUSE, |seconds| seconds >= 0.0)?,
    };
    let transition = on_transition(raw)?;
    match raw.need("stream.talk")?.one_of()? {
        TalkName::Proactive => Ok(TalkPolicy::Proactive),
        TalkName::OnTransition => Ok(transition),
        TalkName::Every => {
            let seconds = seconds.ok_or_else(|| SettingsError::Missing {
                key: "stream.every.seconds".to_owned(),
                expected: "stream.talk = \"every\" needs it, expected seconds above 0".to_owned(),
            })?;
            Ok(TalkPolicy::Every { seconds, prompt: every_prompt })
        }
        TalkName::OnChange => Ok(on_change),
        TalkName::OnRequest => Ok(TalkPolicy::OnRequest),
    }
}

fn on_transition(raw: &Raw) -> Result<TalkPolicy, SettingsError> {
    let dialogue = raw.need("stream.on_transition.dialogue_prompt")?;
    let dialogue_prompt = dialogue.prompt(&["prev_substep", "curr_substep"])?;
    Ok(TalkPolicy::OnTransition {
        substep_source: raw.need("stream.on_transition.substep_source")?.one_of()?,
        detection_prompt: raw.need("stream.on_transition.detection_prompt")?.filled_text()?,
        dialogue_prompt,
        generation_prompt: raw.find("stream.on_transition.generation_prompt").map(Field::text).transpose()?,
        detect_every: raw
            .need("stream.on_transition.detect_every")?
            .number(PAUSE, |seconds| seconds >= 0.0)?,
    })
}
