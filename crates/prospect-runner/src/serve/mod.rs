//! The model behind the server: every session is a run of its own on a common engine.

mod asked;
mod backend;
mod chat;
mod refusal;
mod shared;
mod stream;

pub use backend::ModelBackend;
