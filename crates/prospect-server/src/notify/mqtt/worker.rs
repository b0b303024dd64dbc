//! One broker: reached again whenever it is lost, told what waits while it is there.

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

/// How long a broker has, at the server's end, for what still waits.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What goes on with a broker.
struct Worker<'a> {
    options: MqttOptions,
    /// What the broker calls this server.
    name: String,
    publisher: Publisher,
    receiver: &'a Receiver,
    board: &'a Board,
    /// A reply that the broker has not said it has: it is told again over the next connection.
    on_its_way: Option<Arc<Reply>>,
    /// When the broker was reached, if it was.
    since: Option<Instant>,
    /// Connections that failed since one held.
    failures: u32,
}

/// Tells a broker of replies and states until no reply follows, and then for a short time more.
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
    // Where the connection is simply dropped, the broker tells the will.
    tokio::select! {
        () = worker.go_on() => {}
        () = late => {}
    }
    receiver.counts.dropped.inc_by(u64::from(worker.on_its_way.is_some()));
}

impl Worker<'_> {
    /// One connection after the other.
    async fn go_on(&mut self) {
        while let Err(Lost(why)) = self.converse().await {
            // A broker that throws the server out at once is not asked again at once.
            if self.since.take().is_some_and(|since| since.elapsed() > backoff::LONGEST) {
                self.failures = 0;
            }
            let place = format!("{}:{}", self.options.host, self.options.port);
            // The same again and again would fill a log.
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

    /// One connection, until it is lost or nothing more is to be told.
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

    /// Tells everything that is to be told now: states ahead of replies, which belong to what states tell of.
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
