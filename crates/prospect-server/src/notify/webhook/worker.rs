//! The task that delivers the replies of one webhook, one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::target::{Tried, Webhook};
use crate::notify::backoff;
use crate::notify::receiver::Receiver;
use crate::notify::reply::Reply;

/// Attempts per reply; the waits between them sum up to about half a minute.
const ATTEMPTS: u32 = 6;

/// Sends what waits, in order, until the queue ends.
pub(in crate::notify) async fn work(webhook: Webhook, receiver: Arc<Receiver>) {
    loop {
        while let Some(reply) = receiver.queue.pop() {
            let is_taken = deliver(&webhook, &receiver, &reply).await;
            // At shutdown the server does not wait for an unreachable receiver.
            if !is_taken && receiver.queue.is_over() {
                return;
            }
        }
        if receiver.queue.is_over() {
            return;
        }
        receiver.queue.changed().await;
    }
}

/// Attempts to send a reply until it is accepted or can never be. Returns whether it was accepted.
async fn deliver(webhook: &Webhook, receiver: &Receiver, reply: &Arc<Reply>) -> bool {
    let (name, host) = (&receiver.name, webhook.host());
    for attempt in 1..=ATTEMPTS {
        let (sender, sent) = (webhook.clone(), Arc::clone(reply));
        let tried = tokio::task::spawn_blocking(move || sender.send(&sent, attempt)).await;
        let why = match tried {
            Ok(Tried::Taken) => {
                receiver.counts.sent.inc();
                return true;
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
        return false;
    }
    false
}

/// Waits. Returns false if the server shuts down meanwhile.
async fn waited(receiver: &Receiver, time: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = receiver.queue.over() => false,
    }
}
