//! Events out: what happens in sessions is sent to webhooks and to an MQTT broker. Both are off unless the operator names them.
//!
//! A session tells its [`SessionNotices`] and waits for nobody: every receiver has a bounded queue and a task of its own.

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
