//! `/v1/realtime`: a session over one WebSocket. Pictures are binary messages, everything else is JSON;
//! the server sends events.
//!
//! Messages have the names of OpenAI's Realtime API where it has a suitable one. Others are named
//! `prospect.` and the name in the trace. See the list in docs/serve.md.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bodies::BodyError;
use super::changes;
use super::door::PROTOCOL;
use super::events::{EventReader, NextEvent};
use super::extract::Asked;
use super::frames;
use super::sessions::{aside, open_session};
use crate::body_room::BodyRoom;
use crate::data_address::{bytes_of, decoded};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::json_object::object;
use crate::order::{SessionOrder, check_message};
use crate::place::Place;
use crate::session::{LiveSession, LoggedEvent};
use crate::state::Shared;

/// Time limit for the client to take a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Query parameters of a connection.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Joining {
    model: Option<String>,
    /// An existing session. It is not closed when the connection ends.
    session: Option<String>,
}

pub(super) async fn connect(
    State(state): State<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(place): Extension<Place>,
    Asked(asked): Asked<Joining>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, ApiError> {
    let session = match &asked.session {
        Some(id) => Some(state.sessions.get(caller, id)?),
        None => None,
    };
    let most = state.limits.body_bytes;
    let upgrade = upgrade.max_message_size(most).max_frame_size(most).protocols([PROTOCOL]);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let is_own = session.is_none();
        let mut talk = Conversation {
            state,
            caller,
            model: asked.model,
            socket,
            stream: None,
            spoken: None,
            heard: Instant::now(),
            is_asked: false,
            told: 0,
            _place: place,
        };
        if let Some(session) = session {
            let known = session.log.last();
            talk.attach(session, known);
        }
        // A closed connection is noticed at the next message.
        let _ = talk.tell_session("session.created").await;
        talk.hold().await;
        talk.part(is_own).await;
    }))
}

/// One connection.
struct Conversation {
    state: Shared,
    caller: Caller,
    model: Option<String>,
    socket: WebSocket,
    /// The session once it is open, and the reader of its events.
    stream: Option<(Arc<LiveSession>, EventReader)>,
    /// The frame of the reply in progress.
    spoken: Option<u64>,
    /// When the client last sent something.
    heard: Instant,
    /// Whether a ping is unanswered.
    is_asked: bool,
    /// Number of messages to the client.
    told: u64,
    /// The connection's slot in the limit of connections.
    _place: Place,
}

/// Messages of a client.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Said {
    /// Opens the session, or changes its prompt.
    #[serde(rename = "session.update")]
    Update { session: Value },
    /// A message of a person.
    #[serde(rename = "conversation.item.create")]
    Item { item: Item },
    /// A picture as base64 text.
    #[serde(rename = "input_frame.append")]
    Frame { image: String, time: Option<f64> },
}

#[derive(Debug, Deserialize)]
struct Item {
    content: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    InputText {
        text: String,
    },
    /// A `data:` address.
    InputImage {
        image_url: String,
    },
}

/// The other side has closed the connection.
struct Gone;

impl Conversation {
    /// Runs until either side ends the connection.
    async fn hold(&mut self) {
        loop {
            let next = async {
                match &mut self.stream {
                    Some((_, reader)) => reader.next().await,
                    None => std::future::pending().await,
                }
            };
            let silence = self.state.limits.silence * if self.is_asked { 2 } else { 1 };
            let went_on = tokio::select! {
                event = next => match event {
                    Some(event) => self.tell_event(event).await,
                    None => self.say_goodbye().await,
                },
                said = self.socket.recv() => match said {
                    Some(Ok(message)) => {
                        (self.is_asked, self.heard) = (false, Instant::now());
                        self.hear(message).await
                    }
                    Some(Err(_)) | None => Err(Gone),
                },
                () = tokio::time::sleep_until(self.heard + silence) => match std::mem::replace(&mut self.is_asked, true) {
                    true => Err(Gone),
                    false => self.send_message(Message::Ping(Vec::new().into())).await,
                },
            };
            if went_on.is_err() {
                return;
            }
        }
    }

    /// Closes a session that belongs to this connection only.
    async fn part(self, is_own: bool) {
        let (state, caller) = (self.state, self.caller);
        // When the server shuts down, suspended sessions are kept.
        if let (Some((session, _)), true, false) = (self.stream, is_own, state.sessions.is_ending()) {
            // The session may have been removed meanwhile.
            let _ = aside(move || state.sessions.remove(caller, &session.id)).await;
        }
    }

    /// Closes the connection, because no event follows.
    async fn say_goodbye(&mut self) -> Result<(), Gone> {
        let (code, reason) = match self.state.sessions.is_ending() {
            true => (close_code::AWAY, "the server comes to its end"),
            false => (close_code::NORMAL, "the session has come to its end"),
        };
        let _ = self.send_message(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
        Err(Gone)
    }

    /// Sends an event. One without an id gets one.
    async fn send(&mut self, mut event: Value) -> Result<(), Gone> {
        self.told += 1;
        if event["event_id"].is_null() {
            event["event_id"] = format!("event_of_{}", self.told).into();
        }
        self.send_message(Message::Text(event.to_string().into())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), Gone> {
        let sent = tokio::time::timeout(PATIENCE, self.socket.send(message)).await;
        sent.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    fn attach(&mut self, session: Arc<LiveSession>, known: u64) {
        let reader = EventReader::new(Arc::clone(&session), known, self.state.farewell.subscribe());
        self.stream = Some((session, reader));
    }

    /// Sends an event that shows the session. It has no id before it is open.
    async fn tell_session(&mut self, kind: &str) -> Result<(), Gone> {
        let id = self.stream.as_ref().map(|(session, _)| session.id.as_str());
        let session = json!({
            "id": id,
            "object": "realtime.session",
            "type": "realtime",
            "model": self.state.backend.model(),
            "output_modalities": ["text"],
        });
        self.send(json!({ "type": kind, "session": session })).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), Gone> {
        // The library holds a message of each connection while it comes. What is worked on takes of the
        // memory for all bodies.
        let mut room = BodyRoom::default();
        let mut take = |bytes: usize| room.take(&self.state.bodies, bytes).map_err(BodyError::from);
        let heard = match message {
            Message::Binary(bytes) => match take(bytes.len()) {
                Ok(()) => self.push(bytes, None).await,
                Err(error) => Err(error.into()),
            },
            Message::Text(text) => match take(text.len()) {
                Ok(()) => self.take(&text).await,
                Err(error) => Err(error.into()),
            },
            // The library answers pings.
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => return Err(Gone),
        };
        match heard {
            Ok(()) => Ok(()),
            Err(error) => {
                let mut event = error.body();
                event["type"] = "error".into();
                self.send(event).await
            }
        }
    }

    async fn take(&mut self, text: &str) -> Result<(), ApiError> {
        match object(text.as_bytes())? {
            Said::Update { session } => self.update(session).await,
            Said::Item { item: Item { content } } => {
                for part in content {
                    match part {
                        Part::InputText { text } => self.say(text).await?,
                        Part::InputImage { image_url } => {
                            self.push(bytes_of("image_url", &image_url)?.into(), None).await?
                        }
                    }
                }
                Ok(())
            }
            Said::Frame { image, time } => self.push(decoded("image", &image)?.into(), time).await,
        }
    }

    /// The session. It is opened if it is not open yet.
    async fn session(&mut self) -> Result<Arc<LiveSession>, ApiError> {
        if self.stream.is_none() {
            self.open(SessionOrder::default().or_model(self.model.clone())).await?;
        }
        let open = self.stream.as_ref().map(|(session, _)| Arc::clone(session));
        open.ok_or_else(|| ApiError::over("the session has come to its end"))
    }

    async fn open(&mut self, order: SessionOrder) -> Result<(), ApiError> {
        let session = open_session(&self.state, self.caller, order).await?;
        self.attach(session, 0);
        // A closed connection is noticed at the next message.
        let _ = self.tell_session("session.updated").await;
        Ok(())
    }

    async fn update(&mut self, wanted: Value) -> Result<(), ApiError> {
        let order = order_of(wanted)?;
        match &self.stream {
            None => self.open(order.or_model(self.model.clone())).await,
            Some((session, _)) => {
                let session = Arc::clone(session);
                if !order.is_empty() {
                    changes::make(&self.state, &session, order).await?;
                }
                // A closed connection is noticed at the next message.
                let _ = self.tell_session("session.updated").await;
                Ok(())
            }
        }
    }

    async fn say(&mut self, text: String) -> Result<(), ApiError> {
        check_message(&text, &self.state.limits)?;
        let session = self.session().await?;
        super::messages::heard(&session, text).await
    }

    /// Pushes a frame. If the queue is full, the frame is dropped, and the client gets an error.
    async fn push(&mut self, bytes: axum::body::Bytes, time: Option<f64>) -> Result<(), ApiError> {
        let session = self.session().await?;
        session.touch();
        frames::push_now(&self.state, &session, bytes, time).await
    }

    async fn tell_event(&mut self, event: NextEvent) -> Result<(), Gone> {
        match event {
            NextEvent::Missed(events) => {
                self.send(json!({ "type": "prospect.missed", "events": events })).await
            }
            NextEvent::Event(event) => {
                for told in self.translated(&event) {
                    self.send(told).await?;
                }
                Ok(())
            }
        }
    }

    /// The messages to the client for an event of the trace.
    fn translated(&mut self, LoggedEvent { number, name, data }: &LoggedEvent) -> Vec<Value> {
        let mut data: Value = serde_json::from_str(data).unwrap_or_default();
        let event_id = format!("event_{number}");
        match *name {
            "words" => {
                let frame = data["frame"].as_u64().unwrap_or_default();
                let mut delta = of_text("response.output_text.delta", frame);
                (delta["event_id"], delta["delta"]) = (event_id.into(), data["text"].take());
                self.begun(frame).into_iter().chain([delta]).collect()
            }
            "reply" => {
                let frame = data["frame"].as_u64().unwrap_or_default();
                let (response_id, text) = (format!("resp_{frame}"), data["text"].take());
                let content = json!([{ "type": "output_text", "text": text }]);
                let output = json!([{ "id": format!("msg_{frame}"), "object": "realtime.item", "type": "message", "status": "completed", "role": "assistant", "content": content }]);
                let mut done = of_text("response.output_text.done", frame);
                done["text"] = text;
                let response = json!({ "id": response_id, "object": "realtime.response", "status": "completed", "output": output });
                let all = json!({ "type": "response.done", "event_id": event_id, "response": response, "frame": frame, "time": data["time"].take() });
                let begun = self.begun(frame);
                self.spoken = None;
                begun.into_iter().chain([done, all]).collect()
            }
            "message" if data["role"] == "user" => {
                let content = json!([{ "type": "input_text", "text": data["text"].take() }]);
                let item = json!({ "id": format!("item_{number}"), "object": "realtime.item", "type": "message", "role": "user", "content": content });
                vec![json!({ "type": "conversation.item.added", "event_id": event_id, "item": item })]
            }
            other => {
                data["type"] = format!("prospect.{other}").into();
                data["event_id"] = event_id.into();
                vec![data]
            }
        }
    }

    fn begun(&mut self, frame: u64) -> Option<Value> {
        let is_new = self.spoken.replace(frame) != Some(frame);
        let response =
            json!({ "id": format!("resp_{frame}"), "object": "realtime.response", "status": "in_progress" });
        is_new.then(|| json!({ "type": "response.created", "response": response }))
    }
}

/// An event about the text of the reply to a frame.
fn of_text(kind: &str, frame: u64) -> Value {
    json!({
        "type": kind,
        "response_id": format!("resp_{frame}"),
        "item_id": format!("msg_{frame}"),
        "output_index": 0,
        "content_index": 0,
    })
}

/// What a client asks of a session. OpenAI's clients also say what kind of session they want.
///
/// # Errors
/// The client wants another kind, or the request is invalid.
fn order_of(mut wanted: Value) -> Result<SessionOrder, ApiError> {
    let keys = wanted.as_object_mut().ok_or_else(|| ApiError::bad_request("session: expected an object"))?;
    for (key, expected) in [("type", json!("realtime")), ("output_modalities", json!(["text"]))] {
        if keys.remove(key).is_some_and(|found| found != expected) {
            return Err(ApiError::bad_request(format!("session.{key}: expected {expected}")));
        }
    }
    SessionOrder::parse(wanted.to_string().as_bytes())
}
