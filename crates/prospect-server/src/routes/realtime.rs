//! `/v1/realtime`: a session over one WebSocket. Pictures are binary messages, everything else is JSON;
//! the server sends events.
//!
//! Messages have the names of OpenAI's Realtime API where it has a suitable one. Others are named
//! `prospect.` and the name in the trace. See the list in docs/serve.md.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::changes;
use super::door::PROTOCOL;
use super::events::{EventReader, NextEvent};
use super::extract::Asked;
use super::frames;
use super::sessions::{aside, open_session};
use crate::data_address::{bytes_of, decoded};
use crate::error::ApiError;
use crate::guard::Caller;
use crate::order::{SessionOrder, check_message};
use crate::place::Place;
use crate::session::{LiveSession, LoggedEvent};
use crate::state::Shared;

/// After this time without a message the client is pinged; after as long again the connection is
/// closed.
const SILENCE: Duration = Duration::from_secs(30);
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
            is_asked: false,
            _place: place,
        };
        if let Some(session) = session {
            let known = session.log.last();
            talk.attach(session, known).await;
        }
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
    /// Whether a ping is unanswered.
    is_asked: bool,
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
            let went_on = tokio::select! {
                event = next => match event {
                    Some(event) => self.tell_event(event).await,
                    None => Err(Gone),
                },
                said = self.socket.recv() => match said {
                    Some(Ok(message)) => {
                        self.is_asked = false;
                        self.hear(message).await
                    }
                    Some(Err(_)) | None => Err(Gone),
                },
                () = tokio::time::sleep(SILENCE) => match std::mem::replace(&mut self.is_asked, true) {
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
        if let (Some((session, _)), true, false) = (self.stream, is_own, state.is_ending()) {
            // The session may have been removed meanwhile.
            let _ = aside(move || state.sessions.remove(caller, &session.id)).await;
        }
    }

    async fn send(&mut self, event: Value) -> Result<(), Gone> {
        self.send_message(Message::Text(event.to_string().into())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), Gone> {
        let sent = tokio::time::timeout(PATIENCE, self.socket.send(message)).await;
        sent.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    async fn attach(&mut self, session: Arc<LiveSession>, known: u64) {
        let reader = EventReader::new(Arc::clone(&session), known, self.state.farewell.subscribe());
        let id = session.id.clone();
        self.stream = Some((session, reader));
        let created = json!({ "type": "session.created", "session": { "id": id, "object": "realtime.session", "model": self.state.backend.model() } });
        // A closed connection is noticed at the next message.
        let _ = self.send(created).await;
    }

    async fn hear(&mut self, message: Message) -> Result<(), Gone> {
        let heard = match message {
            Message::Binary(bytes) => self.push(bytes, None).await,
            Message::Text(text) => self.take(&text).await,
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
        match serde_json::from_str(text).map_err(ApiError::bad_request)? {
            Said::Update { session } => self.update(session).await,
            Said::Item { item: Item { content } } => {
                for part in content {
                    match part {
                        Part::InputText { text } => self.say(text).await?,
                        Part::InputImage { image_url } => {
                            self.push(bytes_of(&image_url)?.into(), None).await?
                        }
                    }
                }
                Ok(())
            }
            Said::Frame { image, time } => self.push(decoded(&image)?.into(), time).await,
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
        self.attach(session, 0).await;
        Ok(())
    }

    async fn update(&mut self, wanted: Value) -> Result<(), ApiError> {
        let order = SessionOrder::parse(wanted.to_string().as_bytes())?;
        match &self.stream {
            None => self.open(order.or_model(self.model.clone())).await,
            Some((session, _)) => {
                let session = Arc::clone(session);
                changes::make(&self.state, &session, order).await?;
                let updated = json!({ "type": "session.updated", "session": { "id": session.id } });
                // A closed connection is noticed at the next message.
                let _ = self.send(updated).await;
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
                let response_id = format!("resp_{frame}");
                let delta = json!({ "type": "response.output_text.delta", "event_id": event_id, "response_id": response_id, "delta": data["text"].take() });
                self.begun(frame).into_iter().chain([delta]).collect()
            }
            "reply" => {
                let frame = data["frame"].as_u64().unwrap_or_default();
                let (response_id, text) = (format!("resp_{frame}"), data["text"].take());
                let content = json!([{ "type": "output_text", "text": text }]);
                let output = json!([{ "type": "message", "role": "assistant", "content": content }]);
                let done =
                    json!({ "type": "response.output_text.done", "response_id": response_id, "text": text });
                let response = json!({ "id": response_id, "object": "realtime.response", "status": "completed", "output": output });
                let all = json!({ "type": "response.done", "event_id": event_id, "response": response, "frame": frame, "time": data["time"].take() });
                let begun = self.begun(frame);
                self.spoken = None;
                begun.into_iter().chain([done, all]).collect()
            }
            "message" if data["role"] == "user" => {
                let content = json!([{ "type": "input_text", "text": data["text"].take() }]);
                let item = json!({ "type": "message", "role": "user", "content": content });
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
