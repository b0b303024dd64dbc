//! Live sessions over HTTP and WebSocket, and a page with a webcam.
//!
//! A session is one stream: frames come in, the words of the assistant and everything else that happens go out. The server knows
//! no model and no loop: it asks a [`Backend`] for a [`LiveStream`] and is told of its events through a [`StreamWatcher`]. What stands here is the
//! door: who may come in ([`Keys`], [`Origins`]), how much of everything there may be ([`Limits`]), and how requests and events are written
//! down (docs/serve.md).
//!
//! Queues are bounded: of a session's frames a few wait, then pushing is refused; of its events the last ones are kept, and a reader that
//! is slower learns that it has missed some.

mod backend;
mod data_address;
mod error;
mod guard;
mod metrics;
mod order;
mod place;
mod routes;
mod serve;
mod session;
mod state;

pub use backend::{
    About, Backend, Chat, ChatAnswer, ChatMessage, ChatPart, Demo, LiveStream, Load, MakeSource, OpenError,
    OpenRequest, PUSHED_FRAMES, StreamFrames, StreamPosition, StreamWatcher,
};
pub use guard::{KeyError, Keys, Limits, Origins};
pub use serve::{ServeOptions, Server};
