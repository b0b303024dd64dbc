//! A conversation that goes on in a session: its pictures are frames of the session, and the session answers.
//!
//! Clients send the whole conversation each time. What is new of it stands behind the assistant's last message.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use image::RgbImage;
use serde_json::{Value, json};
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::Instant;

use super::super::events::keep_alive;
use super::super::frames::{push_picture, result};
use super::super::messages::{Answer, Awaited, heard};
use super::super::sessions::{aside, open_session, over};
use super::answering::{Answering, WORDS_WAITING, of_session, sent_in_parts, sent_whole};
use super::media::{Media, Shown};
use super::request::{Asked, AskedMessage, AskedPart};
use super::usage::Usage;
use crate::backend::ChatPart;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::name::ID;
use crate::order::{SessionOrder, check_text};
use crate::session::{LiveSession, LoggedEvent, State as SessionState};
use crate::state::Shared;

/// Answers from the session of that id or name, which is opened where there is none of the name.
pub(super) async fn answer(
    state: Shared,
    (caller, name): (Caller, String),
    mut asked: Asked,
    mut answering: Answering,
    until: Instant,
) -> Result<Response, ApiError> {
    let messages = std::mem::take(&mut asked.messages);
    let longest = state.backend.about().max_new_tokens;
    let order = order(&name, &asked, system_prompt(&messages), longest)?;
    let mut turn =
        Turn { state: &state, caller, name, order, until, open: None, last: None, texts: Vec::new() };
    turn.take(new_messages(messages)).await?;
    let (session, alone, answer) = turn.begin().await?;
    answering.session = Some(session.id.clone());
    if !asked.is_streamed() {
        let (mut answer, mut usage) = (answer, Usage::default());
        while let Some(event) = in_time(&mut answer, until).await? {
            hear(&event, &mut answering, &mut usage);
        }
        return match answer.is_over() {
            true => {
                let reason = reason(&state, &session, &answering, usage);
                Ok(sent_whole(answering.whole(reason, usage)))
            }
            false => Err(over(&session)),
        };
    }
    let (words, parts) = mpsc::channel(WORDS_WAITING);
    let (id, pauses) = (session.id.clone(), keep_alive(&state.limits));
    tokio::spawn(async move {
        let _alone = alone;
        // Who does not read any more is told nothing more; the session goes on.
        if let Err(error) = told(&state, &session, answer, (answering, &words), until).await {
            let _ = words.send(Err(error)).await;
        }
    });
    Ok(of_session(sent_in_parts(None, parts, pauses), Some(&id)))
}

/// What a session is asked for that a conversation opens.
///
/// Clients ask for more tokens than a stream has room to keep free (live-vlm-webui for 512): more than the
/// server's own `longest` means that.
fn order(
    name: &str,
    asked: &Asked,
    system: Option<String>,
    longest: usize,
) -> Result<SessionOrder, ApiError> {
    let order = json!({
        "name": name,
        "system_prompt": system,
        "max_new_tokens": asked.longest().map(|most| most.min(longest)),
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "seed": asked.seed(),
        // Who shows a picture wants an answer to it.
        "settings": { "source.policy": "block" },
    });
    SessionOrder::parse(order.to_string().as_bytes())
}

/// Everything of the answer as it comes.
async fn told(
    state: &Shared,
    session: &LiveSession,
    mut answer: Answer,
    (mut answering, words): (Answering, &mpsc::Sender<Result<Value, ApiError>>),
    until: Instant,
) -> Result<(), ApiError> {
    let mut usage = Usage::default();
    let mut is_heard = words.send(Ok(answering.first_chunk())).await.is_ok();
    while is_heard && let Some(event) = in_time(&mut answer, until).await? {
        if let Some(new) = hear(&event, &mut answering, &mut usage).filter(|new| !new.is_empty()) {
            is_heard = words.send(Ok(answering.words(&new))).await.is_ok();
        }
    }
    if is_heard && !answer.is_over() {
        return Err(over(session));
    }
    let rest = answering.said.rest();
    if !rest.is_empty() {
        let _ = words.send(Ok(answering.words(&rest))).await;
    }
    let reason = reason(state, session, &answering, usage);
    let _ = words.send(Ok(answering.chunk(&json!({}), Some(reason)))).await;
    if answering.with_usage {
        let _ = words.send(Ok(answering.usage_chunk(usage))).await;
    }
    Ok(())
}

/// Why an answer ended: a reply of as many tokens as it may have was cut.
fn reason(state: &Shared, session: &LiveSession, answering: &Answering, usage: Usage) -> &'static str {
    let own = session.order().longest_reply().and_then(|most| usize::try_from(most).ok());
    let longest = own.unwrap_or(state.backend.about().max_new_tokens);
    if usage.completion >= longest && !answering.said.is_stopped { "length" } else { "stop" }
}

/// What is new by an event of the answer: words as they come, or a reply whose words did not.
fn hear(event: &LoggedEvent, answering: &mut Answering, usage: &mut Usage) -> Option<String> {
    let mut data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    usage.read(event.name, &data);
    let is_new = event.name == "words" || (event.name == "reply" && answering.said.text.is_empty());
    let text = data["text"].take();
    text.as_str().filter(|_| is_new).and_then(|text| answering.said.take(text))
}

async fn in_time(answer: &mut Answer, until: Instant) -> Result<Option<LoggedEvent>, ApiError> {
    tokio::time::timeout_at(until, answer.next()).await.map_err(|_| {
        let message = "the message waits for the session's next frame: expected a picture with it, or a frame meanwhile";
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "no_frame", message)
    })
}

/// The session, while no other conversation is answered from it.
type Open = (Arc<LiveSession>, OwnedMutexGuard<()>);

/// The answer of a session. No other conversation is answered from the session as long as the guard
/// lives; an answer that waits for a frame of somebody else has none.
type Begun = (Arc<LiveSession>, Option<OwnedMutexGuard<()>>, Answer);

/// What is new of a conversation, on its way into the session. Pictures go in as they are decoded, so that few of them are in memory; the
/// last one waits for the text.
struct Turn<'a> {
    state: &'a Shared,
    caller: Caller,
    name: String,
    order: SessionOrder,
    until: Instant,
    /// Opened once there is something for it.
    open: Option<Open>,
    last: Option<Arc<RgbImage>>,
    texts: Vec<String>,
}

impl Turn<'_> {
    async fn take(&mut self, messages: Vec<AskedMessage>) -> Result<(), ApiError> {
        let mut media = Media::new(self.state, Shown::AsFrames, self.until);
        for part in messages.into_iter().flat_map(AskedMessage::into_parts) {
            // The frames of a video are in memory all at once: those of one conversation at a time.
            let _alone = match &part {
                AskedPart::VideoUrl { .. } => Some(in_turn(self.until, self.state.chats.acquire()).await?),
                _ => None,
            };
            match media.part(part).await? {
                ChatPart::Text(text) if text.trim().is_empty() => {}
                ChatPart::Text(text) => self.texts.push(text),
                ChatPart::Image(picture) => self.show(picture).await?,
                ChatPart::Video(video) => {
                    for (_, picture) in video.frames {
                        self.show(picture).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Pushes the picture before this one, and waits for what comes of it.
    async fn show(&mut self, picture: Arc<RgbImage>) -> Result<(), ApiError> {
        if let Some(before) = self.last.replace(picture) {
            let until = self.until;
            let session = self.session().await?;
            let index = push_picture(&session, before, until).await?;
            result(&session, index, until).await?;
        }
        Ok(())
    }

    /// Pushes the last picture with the text.
    async fn begin(mut self) -> Result<Begun, ApiError> {
        let (text, last) = (std::mem::take(&mut self.texts).join("\n"), self.last.take());
        check_text(&text, &self.state.limits)?;
        if text.is_empty() && last.is_none() {
            let message = "messages: nothing new: expected a text or a picture of the user behind the assistant's last answer";
            return Err(ApiError::bad_request(message));
        }
        let session = self.session().await?;
        let known = session.log.last();
        if !text.is_empty() {
            heard(&session, text.clone()).await?;
        }
        let index = match last {
            Some(picture) => Some(push_picture(&session, picture, self.until).await?),
            None => None,
        };
        let awaited = match index {
            Some(index) if text.is_empty() => Awaited::Frame(index),
            _ => Awaited::Message(text),
        };
        let answer = Answer::new(self.state, &session, known, awaited);
        let (session, alone) = self.open.take().ok_or_else(|| over(&session))?;
        // A text alone waits for the next frame, which another conversation may bring.
        Ok((session, index.map(|_| alone), answer))
    }

    /// The session, once no other conversation is answered from it.
    async fn session(&mut self) -> Result<Arc<LiveSession>, ApiError> {
        if let Some((session, _)) = &self.open {
            return Ok(Arc::clone(session));
        }
        let session = self.found_or_opened().await?;
        let alone = in_turn(self.until, async {
            Ok::<_, ApiError>(Arc::clone(&session.answering).lock_owned().await)
        });
        self.open = Some((Arc::clone(&session), alone.await?));
        Ok(session)
    }

    /// The session of an id, or of a name that the client chose. One that is suspended goes on.
    async fn found_or_opened(&self) -> Result<Arc<LiveSession>, ApiError> {
        // Two requests with a new name open one session.
        let _alone = self.state.naming.lock().await;
        let sessions = &self.state.sessions;
        let found = match self.name.starts_with(ID) {
            true => Some(sessions.get(self.caller, &self.name)?),
            false => sessions.named(self.caller, &self.name),
        };
        match found {
            None => open_session(self.state, self.caller, self.order.clone()).await,
            Some(session) if session.state() == SessionState::Suspended => {
                let (shared, caller) = (Arc::clone(self.state), self.caller);
                aside(move || shared.sessions.resume(caller, &session.id)).await
            }
            Some(session) => Ok(session),
        }
    }
}

/// Waits for a turn.
async fn in_turn<T, E>(until: Instant, turn: impl Future<Output = Result<T, E>>) -> Result<T, ApiError> {
    let busy = || ApiError::too_many("others are answered: expected fewer at a time");
    tokio::time::timeout_at(until, turn).await.map_err(|_| busy())?.map_err(|_| busy())
}

/// The user's messages behind the assistant's last one.
fn new_messages(messages: Vec<AskedMessage>) -> Vec<AskedMessage> {
    let known = messages.iter().rposition(|message| message.role == "assistant").map_or(0, |last| last + 1);
    messages.into_iter().skip(known).filter(|message| message.role == "user").collect()
}

/// What the conversation says that the assistant is, if it does.
fn system_prompt(messages: &[AskedMessage]) -> Option<String> {
    let is_system = |message: &&AskedMessage| matches!(message.role.as_str(), "system" | "developer");
    let texts: Vec<&str> = messages.iter().filter(is_system).flat_map(AskedMessage::texts).collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(roles: &[(&str, &str)]) -> Vec<AskedMessage> {
        let all: Vec<Value> =
            roles.iter().map(|(role, text)| json!({ "role": role, "content": text })).collect();
        serde_json::from_value(json!(all)).unwrap()
    }

    fn new(roles: &[(&str, &str)]) -> Vec<String> {
        let new = new_messages(messages(roles));
        new.iter().flat_map(AskedMessage::texts).map(str::to_owned).collect()
    }

    #[test]
    fn of_a_conversation_only_what_follows_the_last_answer_is_new() {
        assert_eq!(new(&[("system", "s"), ("user", "a")]), ["a"]);
        assert_eq!(new(&[("user", "a"), ("assistant", "x"), ("user", "b"), ("user", "c")]), ["b", "c"]);
        assert_eq!(new(&[("user", "a"), ("assistant", "x")]), Vec::<String>::new());
        assert_eq!(new(&[]), Vec::<String>::new());
        assert_eq!(
            system_prompt(&messages(&[("system", "s"), ("developer", "d"), ("user", "a")])).unwrap(),
            "s\nd"
        );
        assert_eq!(system_prompt(&messages(&[("user", "a")])), None);
    }
}
