//! One webhook's replies, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::target::{Tried, Webhook};
use crate::notify::backoff;
use crate::notify::receiver::Receiver;
use crate::notify::reply::Reply;

/// How often a reply is tried: half a minute of waits in all.
const ATTEMPTS: u32 = 6;

/// Sends what waits, in order, until nothing follows.
pub(in crate::notify) async fn work(webhook: Webhook, receiver: Arc<Receiver>) {
    loop {
        while let Some(reply) = receiver.queue.pop() {
            deliver(&webhook, &receiver, &reply).await;
        }
        if receiver.queue.is_over() {
            return;
        }
        receiver.queue.changed().await;
    }
}

async fn deliver(webhook: &Webhook, receiver: &Receiver, reply: &Arc<Reply>) {
    let (name, host) = (&receiver.name, webhook.host());
    for attempt in 1..=ATTEMPTS {
        let (sender, sent) = (webhook.clone(), Arc::clone(reply));
        let tried = tokio::task::spawn_blocking(move || sender.send(&sent, attempt)).await;
        let why = match tried {
            Ok(Tried::Taken) => {
                receiver.counts.sent.inc();
                return;
            }
            Ok(Tried::Later(why, asked)) if attempt < ATTEMPTS => {
                tracing::debug!("{name} ({host}): {}, attempt {attempt}: {why}", reply.id);
                let wait = backoff::wait(attempt).max(asked.unwrap_or(Duration::ZERO));
                if waited(receiver, wait).await {
                    continue;
                }
                format!("{why}; the server ends")
            }
            Ok(Tried::Later(why, _) | Tried::Refused(why)) => why,
            Err(_) => "the attempt failed".to_owned(),
        };
        receiver.counts.failed.inc();
        tracing::warn!("{name} ({host}): {} was not delivered in {attempt} attempts: {why}", reply.id);
        return;
    }
}

/// Waits. False if the server ends meanwhile: nobody waits for a receiver then.
async fn waited(receiver: &Receiver, time: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = receiver.queue.over() => false,
    }
}
