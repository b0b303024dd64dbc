//! A reply as receivers are told of it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::small_jpeg::SmallJpeg;

/// What the assistant said to a frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Reply {
    /// The same whenever this reply is told again.
    pub(super) id: String,
    /// When it was said, in seconds since 1970.
    pub(super) created: u64,
    pub(super) session: String,
    /// The camera that the session watches.
    pub(super) camera: Option<String>,
    /// The frame's number.
    pub(super) frame: usize,
    /// Stream time in seconds.
    pub(super) time: f64,
    #[serde(rename = "reply")]
    pub(super) text: String,
    /// Probability of silence, where there was a decision.
    pub(super) not_talk_probability: Option<f32>,
    /// The frame; not for brokers, which keep what they are told.
    #[serde(skip)]
    pub(super) image: Option<Arc<Jpeg>>,
}

/// A small picture as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Jpeg {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Base64.
    pub(super) data: String,
}

impl From<SmallJpeg> for Jpeg {
    fn from(SmallJpeg { width, height, bytes }: SmallJpeg) -> Self {
        Self { kind: "image/jpeg", width, height, data: STANDARD.encode(bytes) }
    }
}

/// The time since 1970.
pub(super) fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Reply {
    /// An id that no other reply has: a frame of a session has one reply at most, but a session that was cut back to its last
    /// checkpoint comes to a frame again.
    pub(super) fn id_of(session: &str, frame: usize) -> String {
        format!("{session}.{frame}.{}", now().as_millis())
    }
}
