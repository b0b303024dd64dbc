//! What a session is told of a frame, and what it says to it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::thumbnail::Thumbnail;

/// A digest of a picture's size and pixels: what stands for a picture that a session never sees.
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
    /// Number of the frame in the sampled stream, from 0.
    pub index: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// By which its picture is known again.
    pub fingerprint: Fingerprint,
    /// By which it is seen whether the picture changed.
    pub thumbnail: Thumbnail,
    /// How it came, where the stream has a pace of its own.
    pub pace: Option<Pace>,
}

/// How a frame of a stream with a pace of its own came. Times are on the clock of the session's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// When it came.
    pub arrived: Duration,
    /// When the next one is due.
    pub deadline: Duration,
    /// Frames that wait behind it.
    pub queued: usize,
}

/// What happens to a stream beside its frames.
#[derive(Debug, Clone, PartialEq)]
pub enum Aside {
    /// A frame could not be had, or gave way to newer ones.
    FrameLost {
        /// Why.
        reason: String,
        /// Its number and its stream time in seconds, where they are known.
        frame: Option<(usize, f64)>,
    },
    /// A live source was lost and is back, in one line.
    SourceInterrupted(String),
    /// What is to be said of the source, though no frame of it is lost, in one line.
    SourceNote(String),
    /// Settings that are others than those under which the stream was written down, by their keys.
    SettingsChanged(serde_json::Map<String, serde_json::Value>),
}

/// A reply of the assistant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Frame after which it was given.
    pub frame: usize,
    /// Stream time in seconds.
    pub time: f64,
    /// The cleaned text.
    pub text: String,
    /// Whether it was cut because it repeats itself (`generation.max_repeats`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
}

/// A frame that a session is done with.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameDone {
    /// What the assistant said to it.
    pub reply: Option<Reply>,
}
