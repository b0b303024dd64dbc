//! A reply in the form in which receivers get it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::small_jpeg::SmallJpeg;

/// What the assistant said at a frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Reply {
    /// Identifier of the reply. It is the same when the reply is sent again.
    pub(super) id: String,
    /// Time of the reply, in seconds since 1970.
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
    /// Probability of silence, if there was a talk decision.
    pub(super) not_talk_probability: Option<f32>,
    /// Picture of the frame. Brokers do not get it, because they retain messages.
    #[serde(skip)]
    pub(super) image: Option<Arc<Jpeg>>,
}

/// A small picture, encoded as text.
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

/// Time since 1970.
pub(super) fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Reply {
    /// A unique id. A frame of a session has at most one reply, but a session that is resumed from its
    /// last checkpoint can come to the same frame again; the id therefore contains the time.
    pub(super) fn id_of(session: &str, frame: usize) -> String {
        format!("{session}.{frame}.{}", now().as_millis())
    }
}
