//! `[stream]`: the frames that go in, the texts around them, and when the model speaks.

use toml::Value;

use crate::choice::choice;
use crate::context::ContextRules;
use crate::error::SettingsError;
use crate::raw::{Field, Raw};
use crate::talk::{self, NotTalkThreshold, TalkPolicy};

/// Checked `[stream]` section.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSettings {
    /// Frames per second of stream time, above 0.
    pub fps: f64,
    /// Whether the text `Frame from MM:SS:` goes in before each frame.
    pub frame_time_text: bool,
    /// Where in the dialogue frames stand.
    pub frames_in: FramesIn,
    /// The second of the source at which the stream begins; `None` means the start of the source.
    pub start: Option<f64>,
    /// The second of the source at which the stream ends; `None` means the end of the source.
    pub end: Option<f64>,
    /// The most frames that go in; `None` means no limit.
    pub max_frames: Option<usize>,
    /// What happens at a frame that cannot be decoded.
    pub on_corrupt_frame: OnCorruptFrame,
    /// When the model speaks.
    pub talk: TalkPolicy,
    /// The threshold at which the model stays silent under [`TalkPolicy::Proactive`].
    pub not_talk_threshold: NotTalkThreshold,
    /// Whether the references of the annotations go into the context instead of the model's own replies.
    pub reference_context: bool,
    /// The system prompt; `None` means that of the annotation file, or else `default_system_prompt`.
    pub system_prompt: Option<String>,
    /// The system prompt if neither the settings nor the annotations have one.
    pub default_system_prompt: String,
    /// The user messages, sorted by time.
    pub requests: Vec<UserRequest>,
}

/// A user message at a stream time.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRequest {
    /// The stream time in seconds at which the message goes in, at least 0.
    pub time: f64,
    /// The text of the message.
    pub text: String,
}

choice! {
    /// Where in the dialogue frames stand.
    pub FramesIn {
        /// Between the messages: how ProAssist and the repository's small model are trained.
        BetweenTurns = "between_turns",
        /// Inside of a turn of the user's, which a question ends: how published checkpoints are trained.
        UserTurn = "user_turn",
    }
}

choice! {
    /// What happens at a frame that cannot be decoded.
    pub OnCorruptFrame {
        /// The frame is left out, and the trace has a note.
        Skip = "skip",
        /// The run ends.
        Fail = "fail",
    }
}

pub(crate) fn validate(raw: &Raw) -> Result<StreamSettings, SettingsError> {
    let seconds = |field: Field<'_>| field.number("seconds of at least 0", |seconds| seconds >= 0.0);
    let start = raw.find("stream.start").map(seconds).transpose()?;
    let end = raw.find("stream.end").map(seconds).transpose()?;
    if let Some(end) = end
        && end <= start.unwrap_or(0.0)
    {
        let start = start.unwrap_or(0.0);
        return Err(raw.conflict("stream.end", format!("seconds above stream.start = {start}")));
    }
    Ok(StreamSettings {
        fps: raw
            .need("stream.fps")?
            .number("frames per second above 0, at most 1000", |fps| fps > 0.0 && fps <= 1000.0)?,
        frame_time_text: raw.need("stream.frame_time_text")?.switch()?,
        frames_in: raw.need("stream.frames_in")?.one_of()?,
        start,
        end,
        max_frames: raw.find("stream.max_frames").map(|field| field.count(1)).transpose()?,
        on_corrupt_frame: raw.need("stream.on_corrupt_frame")?.one_of()?,
        talk: talk::validate(raw)?,
        not_talk_threshold: talk::threshold(raw.need("stream.not_talk_threshold")?)?,
        reference_context: raw.need("stream.reference_context")?.switch()?,
        system_prompt: raw.find("stream.system_prompt").map(Field::text).transpose()?,
        default_system_prompt: raw.need("stream.default_system_prompt")?.text()?,
        requests: requests(raw.need("stream.requests")?)?,
    })
}

/// Who decides at a frame, or has references stand for replies, was trained on frames between the turns.
pub(crate) fn check_frames_in(
    raw: &Raw,
    stream: &StreamSettings,
    rules: ContextRules,
) -> Result<(), SettingsError> {
    if stream.frames_in == FramesIn::BetweenTurns {
        return Ok(());
    }
    let of_proassist = rules == ContextRules::ProAssist;
    let others = [
        ("stream.talk", "\"proactive\"", stream.talk == TalkPolicy::Proactive),
        ("stream.reference_context", "true", stream.reference_context),
        ("context.rules", "\"proassist\"", of_proassist),
    ];
    match others.into_iter().find(|(_, _, holds)| *holds) {
        Some((key, value, _)) => {
            Err(raw.conflict("stream.frames_in", format!("\"between_turns\" with {key} = {value}")))
        }
        None => Ok(()),
    }
}

fn requests(field: Field<'_>) -> Result<Vec<UserRequest>, SettingsError> {
    let expected = "a list of { time = seconds of at least 0, text = \"not empty\" }";
    let read = |value: &Value| -> Option<UserRequest> {
        let table = value.as_table().filter(|table| table.len() == 2)?;
        let time = table.get("time")?;
        let time = time.as_float().or_else(|| time.as_integer().map(|time| time as f64))?;
        let text = table.get("text")?.as_str().filter(|text| !text.trim().is_empty())?.to_owned();
        (time.is_finite() && time >= 0.0).then_some(UserRequest { time, text })
    };
    let list = field.value().as_array().ok_or_else(|| field.invalid(expected))?;
    let list: Option<Vec<UserRequest>> = list.iter().map(read).collect();
    let mut list = list.ok_or_else(|| field.invalid(expected))?;
    list.sort_by(|a, b| a.time.total_cmp(&b.time));
    Ok(list)
}
