//! Who is told of a server's events, as asked for on the command line.

use std::path::PathBuf;

use clap::Args;
use prospect_server::{MqttOptions, NotifyOptions, Webhook, WebhookSecret};

use crate::error::RunError;

/// Receivers of events; none by default.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who is told")]
pub(super) struct NotifyArguments {
    /// Send every reply, with a picture of its frame, to this address (http:// or https://); may be given
    /// more than once.
    #[arg(long = "webhook", value_name = "URL", requires = "webhook_secret_file")]
    webhooks: Vec<String>,
    /// The secret that signs what webhooks are sent: at least 16 letters.
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// Publish replies and states of sessions to this MQTT 5 broker: mqtt://HOST:PORT, or mqtts:// with TLS.
    #[arg(long, value_name = "URL")]
    mqtt: Option<String>,
    /// Who the server is to the broker: the user on the first line, the password on the second.
    #[arg(long, value_name = "FILE", requires = "mqtt")]
    mqtt_user_file: Option<PathBuf>,
    /// Roots (PEM) that are trusted of an mqtts:// broker, instead of those that browsers trust.
    #[arg(long, value_name = "PEM", requires = "mqtt")]
    mqtt_ca: Option<PathBuf>,
    /// What the topics begin with: another one for each server on a broker.
    #[arg(long, value_name = "TOPIC", default_value = "prospect")]
    mqtt_prefix: String,
}

impl NotifyArguments {
    pub(super) fn options(&self) -> Result<NotifyOptions, RunError> {
        let secret = self.webhook_secret_file.as_deref().map(WebhookSecret::from_file).transpose()?;
        let mut webhooks = Vec::new();
        if let Some(secret) = secret {
            for (number, address) in (1..).zip(&self.webhooks) {
                webhooks.push(Webhook::new(number, address, secret.clone())?);
            }
        }
        let (user_file, ca) = (self.mqtt_user_file.as_deref(), self.mqtt_ca.as_deref());
        let broker = |address: &String| MqttOptions::new(address, &self.mqtt_prefix, user_file, ca);
        let mqtt = self.mqtt.as_ref().map(broker).transpose()?;
        Ok(NotifyOptions { webhooks, mqtt })
    }
}
