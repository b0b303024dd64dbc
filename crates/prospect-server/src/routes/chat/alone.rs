//! A conversation that is answered at once, with a cache of its own that goes with the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use prospect_context::Role;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::super::events::keep_alive;
use super::super::sessions::aside;
use super::answering::{Answering, WORDS_WAITING, sent_in_parts, sent_whole};
use super::media::{Media, Shown};
use super::request::{Asked, AskedMessage};
use super::usage::Usage;
use crate::backend::{Chat, ChatAnswer, ChatMessage};
use crate::error::ApiError;
use crate::state::Shared;

/// Time in which an error is the response itself. Later the response has begun, and the error is a part
/// of it.
const REFUSAL: Duration = Duration::from_secs(10);

/// Answers a conversation beside the streams; others wait for their turn.
pub(super) async fn answer(
    state: Shared,
    asked: Asked,
    mut answering: Answering,
    until: Instant,
) -> Result<Response, ApiError> {
    let settings = sampling(asked.temperature, asked.top_p, asked.seed());
    let (max_tokens, is_streamed) = (asked.longest(), asked.is_streamed());
    let busy = || ApiError::too_many("other conversations are answered: expected fewer at a time");
    let turn = tokio::time::timeout_at(until, Arc::clone(&state.chats).acquire_owned()).await;
    let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
    // Behind its turn, so that the pictures of one conversation alone are in memory.
    let messages = messages(&state, asked.messages, until).await?;
    let chat = Chat { messages, max_tokens, settings };
    if is_streamed {
        return streamed(state, chat, answering, turn).await;
    }
    // Closed when the client leaves: then the future of this request is dropped.
    let (listener, _listening) = oneshot::channel::<()>();
    let whole = aside(move || {
        let _turn = turn;
        let mut hear = |words: &str| !listener.is_closed() && answering.said.take(words).is_some();
        let answer = state.backend.answer(&chat, &mut hear)?;
        state.metrics.chatted(&answer);
        Ok(answering.whole(reason(&answering, &answer), usage_of(&answer)))
    })
    .await?;
    Ok(sent_whole(whole))
}

/// The answer word by word, from the thread that makes it. An error that comes before the first word,
/// and soon, is the response.
async fn streamed(
    state: Shared,
    chat: Chat,
    answering: Answering,
    turn: OwnedSemaphorePermit,
) -> Result<Response, ApiError> {
    let pauses = keep_alive(&state.limits);
    let (words, mut heard) = mpsc::channel::<Result<Value, ApiError>>(WORDS_WAITING);
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        tell(&state, &chat, answering, &words);
    });
    match tokio::time::timeout(REFUSAL, heard.recv()).await {
        Ok(Some(Err(error))) => Err(error),
        Ok(Some(Ok(first))) => Ok(sent_in_parts(Some(first), heard, pauses)),
        Ok(None) | Err(_) => Ok(sent_in_parts(None, heard, pauses)),
    }
}

/// Answers, and sends the words as they come.
fn tell(
    state: &Shared,
    chat: &Chat,
    mut answering: Answering,
    words: &mpsc::Sender<Result<Value, ApiError>>,
) {
    // Who does not read any more wants no more words.
    let told = |event: Value| words.blocking_send(Ok(event)).is_ok();
    let mut first = Some(answering.first_chunk());
    let mut begin = || first.take().is_none_or(told);
    let mut hear = |part: &str| match answering.said.take(part) {
        Some(new) if new.is_empty() => !words.is_closed(),
        Some(new) => begin() && told(answering.words(&new)),
        None => false,
    };
    match state.backend.answer(chat, &mut hear) {
        Ok(answer) => {
            state.metrics.chatted(&answer);
            begin();
            let rest = answering.said.rest();
            let _ = rest.is_empty() || told(answering.words(&rest));
            told(answering.chunk(&json!({}), Some(reason(&answering, &answer))));
            if answering.with_usage {
                told(answering.usage_chunk(usage_of(&answer)));
            }
        }
        Err(error) => {
            // A client that has left needs no error.
            let _ = words.blocking_send(Err(error.into()));
        }
    }
}

/// Why an answer ended.
fn reason(answering: &Answering, answer: &ChatAnswer) -> &'static str {
    if answer.is_cut && !answering.said.is_stopped { "length" } else { "stop" }
}

fn usage_of(answer: &ChatAnswer) -> Usage {
    Usage { prompt: answer.prompt_tokens, cached: None, completion: answer.answer_tokens }
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
    let (mut messages, mut media) = (Vec::new(), Media::new(state, Shown::AtOnce, until));
    for message in asked {
        let role = role(&message.role)?;
        messages.push(ChatMessage { role, parts: media.parts(message).await? });
    }
    match messages.is_empty() {
        true => Err(ApiError::bad_request("messages: none: expected at least one")),
        false => Ok(messages),
    }
}

/// # Errors
/// A role that no template knows.
fn role(name: &str) -> Result<Role, ApiError> {
    match name {
        "system" | "developer" => Ok(Role::System),
        "user" => Ok(Role::User),
        "assistant" => Ok(Role::Assistant),
        other => {
            Err(ApiError::bad_request(format!("the role {other:?}: expected system, user or assistant")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
