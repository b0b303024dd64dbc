//! Live sessions over HTTP and WebSocket, and a page that uses a webcam.
//!
//! A session is one stream: a client sends frames, and the server sends the assistant's words and all
//! other events. The server depends on no model: it asks a [`Backend`] for a [`LiveStream`] and
//! receives its events through a [`StreamWatcher`]. This crate implements access ([`Keys`],
//! [`Origins`]), limits ([`Limits`]), and the formats of requests and events (docs/serve.md).
//!
//! All queues are bounded. A few frames of a session can wait; further ones are refused. The last
//! events of a session are kept; a reader that falls behind is told how many it has missed. External
//! receivers (webhooks and an MQTT broker, [`NotifyOptions`]) have queues of their own, and no session
//! waits for them.

mod backend;
mod body_room;
mod data_address;
mod error;
mod fetch;
mod guard;
mod json_object;
mod metrics;
mod mutex;
mod name;
mod notify;
mod order;
mod picture;
mod place;
mod private_file;
mod random_id;
mod routes;
mod serve;
mod session;
mod small_jpeg;
mod sources;
mod state;
mod steady_writes;
mod tls;
mod video;
mod watched_frames;

pub use backend::{
    About, Backend, Chat, ChatAnswer, ChatMessage, ChatPart, ChatVideo, Demo, LiveStream, Load, MakeSource,
    OpenError, OpenRequest, PUSHED_FRAMES, StreamChange, StreamEnd, StreamFrames, StreamPosition,
    StreamWatcher, WatchedSource,
};
pub use guard::{AllowedSources, KeyError, Keys, Limits, Origins, PatternError};
pub use notify::{MqttOptions, NotifyError, NotifyOptions, Webhook, WebhookSecret};
pub use serve::{ServeOptions, Server};
pub use sources::{CameraError, ServedCamera};
pub use tls::{TlsError, TlsServer};
pub use watched_frames::watched_frames;
