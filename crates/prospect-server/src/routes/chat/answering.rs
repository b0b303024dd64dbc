//! An answer as it is sent: whole, or word by word.

use std::convert::Infallible;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::said::Said;
use super::usage::Usage;
use crate::error::ApiError;
use crate::random_id::random_id;

/// Names the session that answers, in a request and in its answer.
pub(super) const SESSION: HeaderName = HeaderName::from_static("x-prospect-session");
/// Words of an answer that wait for a client that reads slowly; then the model waits too.
pub(super) const WORDS_WAITING: usize = 64;

/// An answer on its way to a client.
pub(super) struct Answering {
    id: String,
    created: u64,
    model: String,
    pub(super) said: Said,
    pub(super) with_usage: bool,
    /// The id of the session that answers.
    pub(super) session: Option<String>,
}

impl Answering {
    /// # Errors
    /// The operating system has no source of randomness.
    pub(super) fn new(model: &str, stops: Vec<String>, with_usage: bool) -> Result<Self, ApiError> {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (id, model, said) = (random_id("chatcmpl-")?, model.to_owned(), Said::new(stops));
        Ok(Self { id, created, model, said, with_usage, session: None })
    }

    fn of_kind(&self, object: &str) -> Value {
        let mut event =
            json!({ "id": self.id, "object": object, "created": self.created, "model": self.model });
        if let Some(session) = &self.session {
            event["session"] = session.as_str().into();
        }
        event
    }

    pub(super) fn chunk(&self, delta: &Value, reason: Option<&str>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        let mut chunk = self.of_kind("chat.completion.chunk");
        chunk["choices"] = json!([choice]);
        chunk
    }

    /// The chunk in which every answer begins.
    pub(super) fn first_chunk(&self) -> Value {
        self.chunk(&json!({ "role": "assistant", "content": "" }), None)
    }

    pub(super) fn words(&self, words: &str) -> Value {
        self.chunk(&json!({ "content": words }), None)
    }

    pub(super) fn usage_chunk(&self, usage: Usage) -> Value {
        let mut chunk = self.chunk(&json!({}), None);
        (chunk["choices"], chunk["usage"]) = (json!([]), usage.json());
        chunk
    }

    pub(super) fn whole(&self, reason: &str, usage: Usage) -> Value {
        let message = json!({ "role": "assistant", "content": self.said.text.trim() });
        let choice = json!({ "index": 0, "message": message, "finish_reason": reason });
        let mut whole = self.of_kind("chat.completion");
        (whole["choices"], whole["usage"]) = (json!([choice]), usage.json());
        whole
    }
}

/// A response that names its session, if it has one.
pub(super) fn of_session(mut response: Response, session: Option<&str>) -> Response {
    if let Some(id) = session.and_then(|id| HeaderValue::from_str(id).ok()) {
        response.headers_mut().insert(SESSION, id);
    }
    response
}

/// A whole answer.
pub(super) fn sent_whole(whole: Value) -> Response {
    let session = whole["session"].as_str().map(str::to_owned);
    of_session(Json(whole).into_response(), session.as_deref())
}

/// An answer word by word, as somebody else makes it: the first part, if it is there by now, and the others.
pub(super) fn sent_in_parts(
    first: Option<Value>,
    parts: mpsc::Receiver<Result<Value, ApiError>>,
    keep_alive: KeepAlive,
) -> Response {
    let others = futures_util::stream::unfold(parts, |mut parts| async move {
        let part = parts.recv().await?;
        Some((part.unwrap_or_else(|error| error.body()).to_string(), parts))
    });
    let first = futures_util::stream::iter(first.map(|first| first.to_string()));
    let done = futures_util::stream::iter(["[DONE]".to_owned()]);
    let events =
        first.chain(others).chain(done).map(|data| Ok::<_, Infallible>(SseEvent::default().data(data)));
    Sse::new(events).keep_alive(keep_alive).into_response()
}
