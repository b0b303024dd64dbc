//! The input of a session for a frame, and its reply.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::thumbnail::Thumbnail;

/// A digest of a picture's size and pixels. A session sees this digest and never the picture.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(formatter, "Fingerprint({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A frame whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameInput {
    /// The number of the frame in the sampled stream, counted from 0.
    pub index: usize,
    /// The stream time in seconds.
    pub time: f64,
    /// The digest of the picture, by which an equal picture is recognized.
    pub fingerprint: Fingerprint,
    /// A small grey picture, by which a change of the picture is measured.
    pub thumbnail: Thumbnail,
    /// The arrival of the frame, for a live stream or a file in real time.
    pub pace: Option<Pace>,
}

/// The arrival of a frame of a live stream or of a file in real time. Times are on the clock of the session's
/// inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time at which the frame arrived.
    pub arrived: Duration,
    /// The time at which the next frame is due.
    pub deadline: Duration,
    /// The number of frames that wait behind it.
    pub queued: usize,
}

/// An event of a stream that is not a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Aside {
    /// A frame could not be read, or was dropped for newer frames.
    FrameLost {
        /// The reason.
        reason: String,
        /// The number of the frame and its stream time in seconds, if they are known.
        frame: Option<(usize, f64)>,
    },
    /// A live source was lost and has been reached again. The text is one line.
    SourceInterrupted(String),
    /// A note about the source, in one line. No frame is lost.
    SourceNote(String),
    /// The settings that differ from those under which the stream was saved, by their keys.
    SettingsChanged(serde_json::Map<String, serde_json::Value>),
}

/// A reply of the assistant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The number of the frame after which the reply was given.
    pub frame: usize,
    /// The stream time in seconds.
    pub time: f64,
    /// The text of the reply, without special tokens.
    pub text: String,
    /// Whether the reply was cut because it repeats itself (`generation.max_repeats`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
}

/// The result of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameDone {
    /// The reply to the frame; `None` if the assistant was silent.
    pub reply: Option<Reply>,
}
