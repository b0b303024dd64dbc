//! Whoever is told of replies: what waits for it, and what became of it.

use std::sync::Arc;

use super::queue::Queue;
use super::reply::Reply;
use crate::metrics::ReceiverCounts;

/// A receiver's queue with its figures.
pub(super) struct Receiver {
    /// What logs and figures call it: no part of its address.
    pub(super) name: String,
    pub(super) queue: Queue<Arc<Reply>>,
    pub(super) counts: ReceiverCounts,
}

impl Receiver {
    pub(super) fn new(name: String, most: usize, counts: ReceiverCounts) -> Self {
        Self { name, queue: Queue::new(most), counts }
    }

    /// Has a reply told when its turn comes. Never waits.
    pub(super) fn tell(&self, reply: &Arc<Reply>) {
        if self.queue.push(Arc::clone(reply)).is_some() {
            self.counts.dropped.inc();
        }
    }

    /// Gives up what still waits, where the server ends.
    pub(super) fn give_up(&self) {
        let left = std::iter::from_fn(|| self.queue.pop()).count();
        if left > 0 {
            self.counts.dropped.inc_by(left as u64);
            tracing::warn!("{}: {left} replies were not told before the end", self.name);
        }
    }
}
