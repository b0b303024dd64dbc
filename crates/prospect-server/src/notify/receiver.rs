//! The queue and the counters of a receiver.

use std::sync::Arc;

use super::queue::Queue;
use super::reply::Reply;
use crate::metrics::ReceiverCounts;

/// A receiver of replies.
pub(super) struct Receiver {
    /// Name in logs and metrics. It contains no part of the address.
    pub(super) name: String,
    pub(super) queue: Queue<Arc<Reply>>,
    pub(super) counts: ReceiverCounts,
}

impl Receiver {
    pub(super) fn new(name: String, most: usize, counts: ReceiverCounts) -> Self {
        Self { name, queue: Queue::new(most), counts }
    }

    /// Queues a reply. Never waits.
    pub(super) fn tell(&self, reply: &Arc<Reply>) {
        if self.queue.push(Arc::clone(reply)).is_some() {
            self.counts.dropped.inc();
        }
    }

    /// Discards what still waits, when the server shuts down.
    pub(super) fn give_up(&self) {
        let left = std::iter::from_fn(|| self.queue.pop()).count();
        if left > 0 {
            self.counts.dropped.inc_by(left as u64);
            tracing::warn!("{}: {left} replies were not told before the end", self.name);
        }
    }
}
