//! `/v1/chat/completions`, as OpenAI's clients ask for it: a conversation that is answered at once and forgotten, or one that goes on in a
//! session.

mod alone;
mod answering;
mod complete;
mod in_session;
mod media;
mod request;
mod said;
mod usage;

pub(super) use complete::{complete, complete_in};
