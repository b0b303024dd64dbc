//! Messages of a person to a session, and the assistant's answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event as SseEvent, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::events::{EventReader, NextEvent, keep_alive};
use super::extract::Body;
use super::sessions::{aside, over};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::json_object::object;
use crate::order::check_message;
use crate::session::{LiveSession, LoggedEvent};
use crate::state::Shared;

/// The body of a message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    /// Also accepted as `content`.
    #[serde(alias = "content")]
    text: String,
    /// Whether the answer is sent word by word.
    #[serde(default)]
    stream: bool,
    /// Whether to wait for the answer.
    #[serde(default)]
    wait: bool,
}

/// Adds a message. The model sees it with the session's next frame, so a client that waits for the
/// answer waits for a frame too.
pub(super) async fn say(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let Message { text, stream, wait } = object(&body)?;
    check_message(&text, &state.limits)?;
    let session = state.sessions.get(caller, &id)?;
    let known = session.log.last();
    heard(&session, text.clone()).await?;
    let answer = Answer::new(&state, &session, known, Awaited::Message(text));
    if stream {
        let events = futures_util::stream::unfold(answer, |mut answer| async move {
            let event = answer.next().await?;
            let sent =
                SseEvent::default().id(event.number.to_string()).event(event.name).data(event.data.as_ref());
            Some((Ok::<_, Infallible>(sent), answer))
        });
        return Ok(Sse::new(events).keep_alive(keep_alive(&state.limits)).into_response());
    }
    if !wait {
        let queued = json!({ "object": "streaming.message", "state": "queued" });
        return Ok((StatusCode::ACCEPTED, Json(queued)).into_response());
    }
    match tokio::time::timeout(state.limits.request, answer.whole()).await {
        Ok(Some(answer)) => Ok(Json(answer).into_response()),
        Ok(None) => Err(over(&session)),
        Err(_) => Err(ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "no_frame",
            "the message waits for the session's next frame: expected one meanwhile",
        )),
    }
}

/// Adds the text to the stream. The engine's thread answers whether it has room for it.
pub(super) async fn heard(session: &Arc<LiveSession>, text: String) -> Result<(), ApiError> {
    let asked = Arc::clone(session);
    aside(move || {
        let said = asked.with_stream(|stream| stream.say(&text));
        said.ok_or_else(|| over(&asked))?.map_err(ApiError::from)
    })
    .await
}

/// What an answer refers to.
pub(super) enum Awaited {
    /// The message with this text.
    Message(String),
    /// The frame with this number.
    Frame(usize),
}

/// The events from a message up to the frame that contains it, or the events of a frame.
pub(super) struct Answer {
    reader: EventReader,
    awaited: Awaited,
    /// Whether the message was added, or the frame has begun.
    is_in: bool,
    is_over: bool,
}

impl Answer {
    /// Reads the session's events after number `known`.
    pub(super) fn new(state: &Shared, session: &Arc<LiveSession>, known: u64, awaited: Awaited) -> Self {
        let reader = EventReader::new(Arc::clone(session), known, state.farewell.subscribe());
        Self { reader, awaited, is_in: false, is_over: false }
    }

    /// Whether the answer is complete.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) async fn next(&mut self) -> Option<LoggedEvent> {
        while !self.is_over {
            let NextEvent::Event(event) = self.reader.next().await? else { continue };
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            self.is_in |= match (&self.awaited, event.name) {
                (Awaited::Message(text), "message") => data["text"] == text.as_str(),
                (Awaited::Frame(index), "words" | "reply") => data["frame"] == *index,
                (Awaited::Frame(index), "frame" | "frame_dropped") => data["index"] == *index,
                _ => false,
            };
            let is_dropped = event.name == "frame_dropped" && matches!(self.awaited, Awaited::Frame(_));
            self.is_over = self.is_in && (event.name == "frame" || is_dropped);
            if self.is_in && matches!(event.name, "words" | "reply" | "frame") {
                return Some(event);
            }
        }
        None
    }

    /// The whole answer and its frame; `None` if the session ended before.
    async fn whole(mut self) -> Option<Value> {
        let (mut reply, mut frame) = (Value::Null, Value::Null);
        while let Some(event) = self.next().await {
            let mut data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            match event.name {
                "reply" => reply = data["text"].take(),
                "frame" => frame = data["index"].take(),
                _ => {}
            }
        }
        let answer =
            json!({ "object": "streaming.message", "state": "done", "reply": reply, "frame": frame });
        self.is_over.then_some(answer)
    }
}
