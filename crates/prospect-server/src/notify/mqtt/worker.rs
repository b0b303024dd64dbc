//! The task of one broker: it reconnects whenever the connection is lost, and publishes what waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rust_mqtt::buffer::AllocBuffer;

use super::board::Board;
use super::link::{Link, Lost, Message, PING};
use super::options::MqttOptions;
use super::publisher::Publisher;
use super::topics::Topics;
use crate::notify::backoff;
use crate::notify::receiver::Receiver;
use crate::notify::reply::Reply;

/// Time for remaining messages when the server shuts down.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// State of the task.
struct Worker<'a> {
    options: MqttOptions,
    /// The server's MQTT client id.
    name: String,
    publisher: Publisher,
    receiver: &'a Receiver,
    board: &'a Board,
    /// A reply that the broker has not acknowledged. It is published again over the next connection.
    on_its_way: Option<Arc<Reply>>,
    /// When the present connection was established.
    since: Option<Instant>,
    /// Number of failed connections since the last stable one.
    failures: u32,
}

/// Publishes replies and states until the queue ends, and then for a short time more.
pub(in crate::notify) async fn work(options: MqttOptions, model: &str, receiver: &Receiver, board: &Board) {
    let topics = Topics::new(&options.prefix, model);
    let name = format!("prospect-{:016x}", backoff::chance());
    let publisher = Publisher::new(topics);
    let (on_its_way, since, failures) = (None, None, 0);
    let mut worker = Worker { options, name, publisher, receiver, board, on_its_way, since, failures };
    let late = async {
        receiver.queue.over().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    // If the time is over, the connection is dropped, and the broker publishes the will.
    tokio::select! {
        () = worker.go_on() => {}
        () = late => {}
    }
    receiver.counts.dropped.inc_by(u64::from(worker.on_its_way.is_some()));
}

impl Worker<'_> {
    /// Connects again and again.
    async fn go_on(&mut self) {
        while let Err(Lost(why)) = self.converse().await {
            // A broker that disconnects the server shortly after it connected is not tried again at
            // once: the back-off goes on growing.
            if self.since.take().is_some_and(|since| since.elapsed() > backoff::LONGEST) {
                self.failures = 0;
            }
            let place = format!("{}:{}", self.options.host, self.options.port);
            // Repeated failures are logged at debug level only.
            match self.failures {
                0 => tracing::warn!("mqtt ({place}): {why}"),
                _ => tracing::debug!("mqtt ({place}): {why}"),
            }
            self.failures = self.failures.saturating_add(1);
            tokio::select! {
                () = tokio::time::sleep(backoff::wait(self.failures)) => {}
                () = self.receiver.queue.over() => return,
            }
        }
    }

    /// Uses one connection until it is lost or there is nothing more to publish.
    async fn converse(&mut self) -> Result<(), Lost> {
        let mut buffer = AllocBuffer;
        let will = self.publisher.status();
        let link = Link::open(&self.options, &self.name, &will, &mut buffer);
        let mut link = link.await?;
        if self.failures > 0 {
            tracing::info!("mqtt ({}:{}): is back", self.options.host, self.options.port);
        }
        self.since = Some(Instant::now());
        self.publisher.begin();
        self.tell(&mut link, &self.publisher.presence(true)).await?;
        loop {
            self.tell_all(&mut link).await?;
            if self.receiver.queue.is_over() && self.receiver.queue.len() == 0 {
                self.tell(&mut link, &self.publisher.presence(false)).await?;
                return link.leave().await;
            }
            tokio::select! {
                heard = link.listen() => heard?.rest().await?,
                () = self.receiver.queue.changed() => {}
                () = self.board.changed() => {}
                () = tokio::time::sleep(PING) => link.ping().await?,
            }
        }
    }

    async fn tell(&self, link: &mut Link<'_>, message: &Message) -> Result<(), Lost> {
        if !link.publish(message).await? {
            tracing::warn!("mqtt: the broker does not take {}", message.topic);
        }
        Ok(())
    }

    /// Publishes everything that is pending. States come first, because replies belong to them.
    async fn tell_all(&mut self, link: &mut Link<'_>) -> Result<(), Lost> {
        loop {
            for message in self.publisher.differences(&self.board.channels()) {
                self.tell(link, &message).await?;
            }
            let Some(reply) = self.on_its_way.take().or_else(|| self.receiver.queue.pop()) else {
                return Ok(());
            };
            let message = self.publisher.reply(&reply);
            self.on_its_way = Some(reply);
            let counts = &self.receiver.counts;
            match link.publish(&message).await? {
                true => counts.sent.inc(),
                false => counts.failed.inc(),
            };
            self.on_its_way = None;
        }
    }
}
