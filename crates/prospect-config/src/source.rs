//! `[source]`: how frames are read, and what happens to frames that come faster than the model can process
//! them.

use std::path::PathBuf;

use toml::Value;

use crate::error::SettingsError;
use crate::raw::{Field, Raw};

/// Checked `[source]` section.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSettings {
    /// Whether the source does not wait for its reader, like a camera. `None` decides by the kind of the
    /// source.
    pub live: Option<bool>,
    /// Whether a file is played at its own pace.
    pub realtime: bool,
    /// What happens to frames that come while the model is busy.
    pub policy: FramePolicy,
    /// Seconds without a frame after which a live source counts as lost, above 0.
    pub stall_timeout: f64,
    /// Seconds before the first attempt to reconnect to a lost source, above 0. They double after every
    /// attempt.
    pub reconnect_initial: f64,
    /// The most seconds between two attempts, at least `reconnect_initial`.
    pub reconnect_max: f64,
    /// The most attempts in a row without a frame; `None` means no limit.
    pub reconnect_attempts: Option<usize>,
    /// Seconds without a frame after which a lost source is given up; `None` means never.
    pub give_up_after: Option<f64>,
    /// The ffmpeg program.
    pub ffmpeg: PathBuf,
    /// Arguments for ffmpeg before its input.
    pub ffmpeg_input: Vec<String>,
}

/// What happens to frames that come while the model is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FramePolicy {
    /// [`FramePolicy::Latest`] for live sources and for files in real time, else [`FramePolicy::Block`].
    Auto,
    /// The source waits.
    Block,
    /// The newest frame waits, and older ones are dropped.
    Latest,
    /// At most this many of the newest frames wait, at least 1, and older ones are dropped.
    Queue(usize),
}

impl FramePolicy {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "block" => Some(Self::Block),
            "latest" => Some(Self::Latest),
            _ => {
                let frames = text.strip_prefix("queue:")?.parse().ok()?;
                (1..=MOST_QUEUED).contains(&frames).then_some(Self::Queue(frames))
            }
        }
    }
}

impl std::fmt::Display for FramePolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Block => f.write_str("block"),
            Self::Latest => f.write_str("latest"),
            Self::Queue(frames) => write!(f, "queue:{frames}"),
        }
    }
}

/// The longest queue. Decoded frames are large: a thousand of 1080p take 6 GB.
const MOST_QUEUED: usize = 10_000;

pub(crate) fn validate(raw: &Raw) -> Result<SourceSettings, SettingsError> {
    let seconds =
        |field: Field<'_>| field.number("seconds above 0", |seconds| seconds > 0.0 && seconds <= 1e9);
    let reconnect_initial = seconds(raw.need("source.reconnect_initial")?)?;
    let reconnect_max = seconds(raw.need("source.reconnect_max")?)?;
    if reconnect_max < reconnect_initial {
        let expected = format!("seconds of at least source.reconnect_initial = {reconnect_initial}");
        return Err(raw.conflict("source.reconnect_max", expected));
    }
    Ok(SourceSettings {
        live: raw.find("source.live").map(Field::switch).transpose()?,
        realtime: raw.need("source.realtime")?.switch()?,
        policy: policy(raw.need("source.policy")?)?,
        stall_timeout: seconds(raw.need("source.stall_timeout")?)?,
        reconnect_initial,
        reconnect_max,
        reconnect_attempts: raw.find("source.reconnect_attempts").map(|field| field.count(1)).transpose()?,
        give_up_after: raw.find("source.give_up_after").map(seconds).transpose()?,
        ffmpeg: raw.need("source.ffmpeg")?.filled_text()?.into(),
        ffmpeg_input: arguments(raw.need("source.ffmpeg_input")?)?,
    })
}

fn policy(field: Field<'_>) -> Result<FramePolicy, SettingsError> {
    let expected =
        || format!("\"auto\", \"block\", \"latest\" or \"queue:N\" with N frames from 1 to {MOST_QUEUED}");
    FramePolicy::parse(&field.text()?).ok_or_else(|| field.invalid(expected()))
}

fn arguments(field: Field<'_>) -> Result<Vec<String>, SettingsError> {
    let read = |value: &Value| value.as_str().map(str::to_owned);
    let list: Option<Vec<String>> = field.value().as_array().and_then(|list| list.iter().map(read).collect());
    list.ok_or_else(|| field.invalid("a list of strings, like [\"-rtsp_transport\", \"tcp\"]"))
}
