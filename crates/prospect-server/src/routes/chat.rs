//! `/v1/chat/completions`: a conversation with pictures, answered at once, as OpenAI's clients ask for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event as SseEvent, Sse};
use axum::response::{IntoResponse, Response};
use prospect_context::Role;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use super::extract::Body;
use super::frames::decoded_aside;
use super::sessions::aside;
use crate::backend::{Chat, ChatAnswer, ChatMessage, ChatPart};
use crate::data_address::bytes_of;
use crate::error::ApiError;
use crate::order::check_text;
use crate::state::Shared;

/// Words of an answer that wait for a client that reads slowly; then the model waits too.
const WORDS_WAITING: usize = 64;

/// What is read of a request; clients send more, which means nothing here.
#[derive(Debug, Deserialize)]
struct Asked {
    model: Option<String>,
    messages: Vec<AskedMessage>,
    #[serde(default)]
    stream: bool,
    stream_options: Option<StreamOptions>,
    #[serde(alias = "max_completion_tokens")]
    max_tokens: Option<usize>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    seed: Option<u64>,
    stop: Option<Stops>,
    n: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Stops {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct AskedMessage {
    role: String,
    content: Option<Contents>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Contents {
    Text(String),
    Parts(Vec<AskedPart>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum AskedPart {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ImageUrl {
    Address(String),
    Object { url: String },
}

pub(super) async fn complete(State(state): State<Shared>, Body(body): Body) -> Result<Response, ApiError> {
    let asked: Asked = serde_json::from_slice(&body).map_err(ApiError::bad_request)?;
    let until = Instant::now() + state.limits.request;
    if let Some(model) = asked.model.as_deref().filter(|model| *model != state.backend.model()) {
        let message = format!("the model {model:?} is not served: expected {:?}", state.backend.model());
        return Err(ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message));
    }
    if asked.n.is_some_and(|n| n != 1) {
        return Err(ApiError::bad_request("n: expected 1"));
    }
    let stops = match asked.stop {
        None => Vec::new(),
        Some(Stops::One(stop)) => vec![stop],
        Some(Stops::Several(stops)) => stops,
    };
    let mut answering = Answering {
        created: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        model: state.backend.model().to_owned(),
        said: Said::new(stops),
        with_usage: asked.stream_options.is_some_and(|options| options.include_usage),
    };
    let settings = sampling(asked.temperature, asked.top_p, asked.seed);
    let busy = || ApiError::too_many("other conversations are answered: expected fewer at a time");
    let turn = tokio::time::timeout_at(until, Arc::clone(&state.chats).acquire_owned()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    // Behind its turn, so that the pictures of one conversation alone are in memory.
    let messages = messages(&state, asked.messages, until).await?;
    let chat = Chat { messages, max_tokens: asked.max_tokens, settings };
    if asked.stream {
        return Ok(streamed(state, chat, answering, turn));
    }
    let whole = aside(move || {
        let _turn = turn;
        let answer = state.backend.answer(&chat, &mut |words| answering.said.take(words).is_some())?;
        Ok(answering.whole(&answer))
    })
    .await?;
    Ok(Json(whole).into_response())
}

/// The answer word by word, from the thread that makes it.
fn streamed(state: Shared, chat: Chat, mut answering: Answering, turn: OwnedSemaphorePermit) -> Response {
    let (words, heard) = mpsc::channel::<Value>(WORDS_WAITING);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        // Who does not read any more wants no more words.
        let told = |event: Value| words.blocking_send(event).is_ok();
        if !told(answering.chunk(json!({ "role": "assistant", "content": "" }), None)) {
            return;
        }
        let mut hear = |part: &str| match answering.said.take(part) {
            Some(new) if new.is_empty() => true,
            Some(new) => told(answering.chunk(json!({ "content": new }), None)),
            None => false,
        };
        match state.backend.answer(&chat, &mut hear) {
            Ok(answer) => {
                let rest = answering.said.rest();
                let _ = rest.is_empty() || told(answering.chunk(json!({ "content": rest }), None));
                told(answering.chunk(json!({}), Some(answering.reason(&answer))));
                if answering.with_usage {
                    let mut usage = answering.chunk(json!({}), None);
                    (usage["choices"], usage["usage"]) = (json!([]), usage_of(&answer));
                    told(usage);
                }
            }
            Err(error) => {
                told(ApiError::from(error).body());
            }
        }
    });
    let events = futures_util::stream::unfold((heard, false), |(mut heard, is_over)| async move {
        let next = match heard.recv().await {
            Some(event) => event.to_string(),
            None if is_over => return None,
            None => return Some((Ok::<_, Infallible>(SseEvent::default().data("[DONE]")), (heard, true))),
        };
        Some((Ok(SseEvent::default().data(next)), (heard, is_over)))
    });
    Sse::new(events).into_response()
}

/// Settings of sampling. A temperature of 0 is greedy; what is not said is the server's.
fn sampling(temperature: Option<f64>, top_p: Option<f64>, seed: Option<u64>) -> Vec<(String, String)> {
    let setting = |key: &str, value: String| (format!("generation.{key}"), value);
    if temperature == Some(0.0) {
        return vec![setting("sampling", "\"greedy\"".to_owned())];
    }
    let mut settings = Vec::new();
    settings.extend(temperature.map(|value| setting("temperature", value.to_string())));
    settings.extend(top_p.map(|value| setting("top_p", value.to_string())));
    settings.extend(seed.map(|value| setting("seed", value.to_string())));
    if !settings.is_empty() {
        settings.insert(0, setting("sampling", "\"random\"".to_owned()));
    }
    settings
}

async fn messages(
    state: &Shared,
    asked: Vec<AskedMessage>,
    until: Instant,
) -> Result<Vec<ChatMessage>, ApiError> {
    let (mut messages, mut images) = (Vec::new(), 0);
    for AskedMessage { role, content } in asked {
        let role = match role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let message = format!("the role {other:?}: expected system, user or assistant");
                return Err(ApiError::bad_request(message));
            }
        };
        let given = match content {
            None => Vec::new(),
            Some(Contents::Text(text)) => vec![AskedPart::Text { text }],
            Some(Contents::Parts(parts)) => parts,
        };
        let mut parts = Vec::new();
        for part in given {
            parts.push(match part {
                AskedPart::Text { text } => {
                    check_text(&text, &state.limits)?;
                    ChatPart::Text(text)
                }
                AskedPart::ImageUrl { image_url: ImageUrl::Address(url) | ImageUrl::Object { url } } => {
                    images += 1;
                    if images > state.limits.frames_a_request {
                        let most = state.limits.frames_a_request;
                        return Err(ApiError::too_large(format!("more than {most} images in one request")));
                    }
                    ChatPart::Image(decoded_aside(state, bytes_of(&url)?.into(), until).await?)
                }
            });
        }
        messages.push(ChatMessage { role, parts });
    }
    match messages.is_empty() {
        true => Err(ApiError::bad_request("messages: none: expected at least one")),
        false => Ok(messages),
    }
}

/// What was said so far, up to the first text at which it is to stop.
struct Said {
    stops: Vec<String>,
    text: String,
    /// Bytes of it that were told: what may be the beginning of a stop is held back.
    told: usize,
    is_stopped: bool,
}

impl Said {
    fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self { stops, text: String::new(), told: 0, is_stopped: false }
    }

    /// Takes words, and gives those that can be told by now; nothing once it is to stop.
    fn take(&mut self, words: &str) -> Option<String> {
        if self.is_stopped {
            return None;
        }
        self.text.push_str(words);
        let stop = self.stops.iter().filter_map(|stop| self.text.find(stop.as_str())).min();
        if let Some(at) = stop {
            self.text.truncate(at);
            self.is_stopped = true;
            return None;
        }
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let mut sure = self.text.len().saturating_sub(longest.saturating_sub(1)).max(self.told);
        while !self.text.is_char_boundary(sure) {
            sure -= 1;
        }
        let new = self.text.get(self.told..sure).unwrap_or_default().to_owned();
        self.told = sure.max(self.told);
        Some(new)
    }

    /// What was held back.
    fn rest(&mut self) -> String {
        let rest = self.text.get(self.told..).unwrap_or_default().to_owned();
        self.told = self.text.len();
        rest
    }
}

/// An answer on its way to a client.
struct Answering {
    created: u64,
    model: String,
    said: Said,
    with_usage: bool,
}

fn usage_of(answer: &ChatAnswer) -> Value {
    let (prompt, completion) = (answer.prompt_tokens, answer.answer_tokens);
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

impl Answering {
    fn reason(&self, answer: &ChatAnswer) -> &'static str {
        if answer.is_cut && !self.said.is_stopped { "length" } else { "stop" }
    }

    fn id(&self) -> String {
        format!("chatcmpl-{}", self.created)
    }

    fn chunk(&self, delta: Value, reason: Option<&str>) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        json!({ "id": self.id(), "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": [choice] })
    }

    fn whole(&self, answer: &ChatAnswer) -> Value {
        let message = json!({ "role": "assistant", "content": self.said.text.trim() });
        let choice = json!({ "index": 0, "message": message, "finish_reason": self.reason(answer) });
        json!({ "id": self.id(), "object": "chat.completion", "created": self.created, "model": self.model, "choices": [choice], "usage": usage_of(answer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_before_the_text_at_which_it_is_to_stop() {
        let mut said = Said::new(vec!["END".to_owned(), String::new()]);
        assert_eq!(said.take("Take the cube. E"), Some("Take the cube.".to_owned()));
        assert_eq!(said.take("N"), Some(" ".to_owned()));
        assert_eq!((said.take("D and more"), said.text.as_str()), (None, "Take the cube. "));
        let mut said = Said::new(vec!["é".to_owned()]);
        assert_eq!(said.take("ab"), Some("a".to_owned()));
        assert_eq!((said.take("cè"), said.rest()), (Some("bc".to_owned()), "è".to_owned()));
        let mut said = Said::new(Vec::new());
        assert_eq!((said.take("all"), said.rest()), (Some("all".to_owned()), String::new()));
    }

    #[test]
    fn a_temperature_of_nothing_is_greedy() {
        let keys = |settings: Vec<(String, String)>| {
            settings.into_iter().map(|(key, value)| key + "=" + &value).collect::<Vec<_>>()
        };
        assert_eq!(keys(sampling(Some(0.0), Some(0.5), None)), ["generation.sampling=\"greedy\""]);
        assert_eq!(
            keys(sampling(Some(0.7), None, Some(3))),
            ["generation.sampling=\"random\"", "generation.temperature=0.7", "generation.seed=3"]
        );
        assert!(sampling(None, None, None).is_empty());
    }
}
