//! One connection to an MQTT broker, from CONNECT to DISCONNECT.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use prospect_foreign::short_line;
use rust_mqtt::Bytes;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, TopicReference, WillOptions,
};
use rust_mqtt::client::{Client, MqttError};
use rust_mqtt::config::KeepAlive;
use rust_mqtt::types::{MqttBinary, MqttString, TopicName};

use super::options::{MqttOptions, User};
use super::wire::Wire;

/// Time limit for an answer of the broker.
const ANSWER: Duration = Duration::from_secs(10);
/// Keep-alive in seconds: without a packet for longer, the broker considers the server lost.
const KEEP_ALIVE: NonZeroU16 = NonZeroU16::MIN.saturating_add(29);
/// Interval of PINGREQ packets.
pub(super) const PING: Duration = Duration::from_secs(12);
/// Largest packet that is accepted from the broker. Its answers are all short.
const LARGEST_PACKET: NonZeroU32 = NonZeroU32::MIN.saturating_add((16 << 10) - 1);

/// A message to publish.
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether the broker retains the message for later subscribers. An empty retained message deletes
    /// the earlier one.
    pub(super) is_kept: bool,
}

/// Why a connection ended, in one line.
#[derive(Debug)]
pub(super) struct Lost(pub(super) String);

/// The client of the MQTT library, with room for one message in flight and none for incoming messages.
type Inner<'a> = Client<'a, 'a, Wire, AllocBuffer, 1, 1, 1, 0, 1, 0, 0>;

/// An established connection.
pub(super) struct Link<'a>(Inner<'a>);

fn lost<const PROPERTIES: usize>(error: MqttError<'_, PROPERTIES>) -> Lost {
    Lost(match error {
        MqttError::Disconnect { reason, .. } => format!("it says {reason:?}"),
        MqttError::Network(kind) => format!("the connection failed: {kind:?}"),
        MqttError::Server => "it does not keep to MQTT 5".to_owned(),
        error => short_line(format!("{error:?}")),
    })
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Lost>>) -> Result<T, Lost> {
    let late = |_| Lost("it did not answer in time".to_owned());
    tokio::time::timeout(ANSWER, answer).await.map_err(late)?
}

fn topic_name(topic: &str) -> Result<TopicName<'_>, Lost> {
    let name = MqttString::from_str(topic).ok().and_then(TopicName::new);
    name.ok_or_else(|| Lost("a topic that is none".to_owned()))
}

fn text(text: &str) -> Result<MqttString<'_>, Lost> {
    MqttString::from_str(text).map_err(|_| Lost("a text that MQTT has no place for".to_owned()))
}

impl<'a> Link<'a> {
    /// Connects to the broker. `will` is the topic on which the broker publishes `offline` if this
    /// connection is lost.
    pub(super) async fn open(
        options: &MqttOptions,
        name: &str,
        will: &str,
        buffer: &'a mut AllocBuffer,
    ) -> Result<Self, Lost> {
        let wire = Wire::open(options).await.map_err(|error| Lost(short_line(error)))?;
        let will = WillOptions::new(topic_name(will)?, MqttBinary::from(text("offline")?));
        let mut connect = ConnectOptions::new()
            .clean_start()
            .keep_alive(KeepAlive::Seconds(KEEP_ALIVE))
            .maximum_packet_size(LARGEST_PACKET)
            .will(will.at_least_once().retain());
        if let Some(User { name, password }) = &options.user {
            connect = connect.user_name(text(name)?);
            if let Some(password) = password {
                connect = connect.password(MqttBinary::from(text(password)?));
            }
        }
        let name = text(name)?;
        let mut client = Inner::new(buffer);
        let greeted =
            in_time(async { client.connect(wire, &connect, Some(name)).await.map(drop).map_err(lost) });
        greeted.await?;
        Ok(Self(client))
    }

    /// Publishes a message and waits for the acknowledgement. Returns false if the broker rejects this
    /// message; others may still be accepted.
    pub(super) async fn publish(&mut self, message: &Message) -> Result<bool, Lost> {
        let topic = TopicReference::Name(topic_name(&message.topic)?);
        let mut options = PublicationOptions::new(topic).at_least_once();
        if message.is_kept {
            options = options.retain();
        }
        in_time(async {
            match self.0.publish(&options, Bytes::from(message.payload.as_slice())).await {
                Ok(_) => {}
                Err(error) if error.is_recoverable() => return Ok(false),
                Err(error) => return Err(lost(error)),
            }
            loop {
                match self.0.poll().await.map_err(lost)? {
                    Event::PublishAcknowledged(_) => return Ok(true),
                    Event::PublishRejected(_) => return Ok(false),
                    _ => {}
                }
            }
        })
        .await
    }

    /// Waits for a packet of the broker. May be cancelled while it waits.
    pub(super) async fn listen(&mut self) -> Result<Heard<'_, 'a>, Lost> {
        let header = self.0.poll_header().await.map_err(lost)?;
        Ok(Heard { link: self, header })
    }

    /// Sends PINGREQ and waits for the answer.
    pub(super) async fn ping(&mut self) -> Result<(), Lost> {
        in_time(async {
            self.0.ping().await.map_err(lost)?;
            while !matches!(self.0.poll().await.map_err(lost)?, Event::Pingresp) {}
            Ok(())
        })
        .await
    }

    /// Disconnects properly, so that the broker does not publish the will.
    pub(super) async fn leave(mut self) -> Result<(), Lost> {
        in_time(async { self.0.disconnect(&DisconnectOptions::new()).await.map(drop).map_err(lost) }).await
    }
}

/// A packet of the broker whose header was read.
pub(super) struct Heard<'l, 'a> {
    link: &'l mut Link<'a>,
    header: rust_mqtt::header::FixedHeader,
}

impl Heard<'_, '_> {
    /// Reads the rest of the packet.
    pub(super) async fn rest(self) -> Result<(), Lost> {
        in_time(async { self.link.0.poll_body(self.header).await.map(drop).map_err(lost) }).await
    }
}
