//! Sends events of sessions to webhooks and to an MQTT broker. Both are off unless the operator
//! configures them.
//!
//! A session passes events to its [`SessionNotices`] and never waits: every receiver has a bounded
//! queue and a task of its own.

mod backoff;
mod error;
mod mqtt;
mod notifier;
mod pictures;
mod queue;
mod receiver;
mod reply;
mod session_notices;
mod webhook;

pub use error::NotifyError;
pub use mqtt::MqttOptions;
pub(crate) use notifier::Notifier;
pub use notifier::NotifyOptions;
pub(crate) use session_notices::SessionNotices;
pub use webhook::{Webhook, WebhookSecret};
