//! Webhooks: one signed POST request per reply.

mod secret;
mod target;
mod worker;

pub use secret::WebhookSecret;
pub use target::Webhook;
pub(super) use worker::work;
