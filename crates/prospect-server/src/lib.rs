//! Live sessions over HTTP and WebSocket, and a page with a webcam.
//!
//! A session is one stream: frames come in, the words of the assistant and everything else that happens go out. The server knows
//! no model and no loop: it asks a [`Backend`] for a [`LiveStream`] and is told of its events through a [`StreamWatcher`]. What stands here is the
//! door: who may come in ([`Keys`], [`Origins`]), how much of everything there may be ([`Limits`]), and how requests and events are written
//! down (docs/serve.md).
//!
//! Queues are bounded: of a session's frames a few wait, then pushing is refused; of its events the last ones are kept, and a reader that
//! is slower learns that it has missed some. Receivers outside (webhooks, an MQTT broker: [`NotifyOptions`]) have queues of their own, and no
//! session waits for them.

mod backend;
mod data_address;
mod error;
mod fetch;
mod guard;
mod metrics;
mod name;
mod notify;
mod order;
mod picture;
mod place;
mod private_file;
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
    OpenError, OpenRequest, PUSHED_FRAMES, StreamFrames, StreamPosition, StreamWatcher, WatchedSource,
};
pub use guard::{AllowedSources, KeyError, Keys, Limits, Origins, PatternError};
pub use notify::{MqttOptions, NotifyError, NotifyOptions, Webhook, WebhookSecret};
pub use serve::{ServeOptions, Server};
pub use sources::{CameraError, ServedCamera};
pub use tls::{TlsError, TlsServer};
pub use watched_frames::watched_frames;
