//! A bounded queue for a receiver.

use std::collections::VecDeque;

use tokio::sync::{Notify, watch};

use crate::mutex::Mutex;

/// A queue that never blocks the sender: if it is full, the oldest item is removed. One task takes
/// items from it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
    over: watch::Sender<bool>,
    most: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    is_over: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize) -> Self {
        let state = Mutex::new(State { items: VecDeque::new(), is_over: false });
        Self { state, changed: Notify::new(), over: watch::Sender::new(false), most: most.max(1) }
    }

    /// Adds an item. Returns the item that is lost: the oldest one of a full queue, or the new one if
    /// the queue has ended.
    pub(super) fn push(&self, item: T) -> Option<T> {
        let mut state = self.state.lock();
        if state.is_over {
            return Some(item);
        }
        let lost = if state.items.len() >= self.most { state.items.pop_front() } else { None };
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
        lost
    }

    pub(super) fn pop(&self) -> Option<T> {
        self.state.lock().items.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().items.len()
    }

    /// Ends the queue. Remaining items can still be taken.
    pub(super) fn end(&self) {
        self.state.lock().is_over = true;
        self.over.send_replace(true);
        self.changed.notify_one();
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Waits until an item was added or the queue has ended; may return without either.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until the queue has ended.
    pub(super) async fn over(&self) {
        // The wait cannot fail, because this queue holds the sender.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_where_there_is_no_room_and_nothing_comes_behind_the_end() {
        let queue = Queue::new(2);
        assert_eq!((1..=4).map(|item| queue.push(item)).collect::<Vec<_>>(), [None, None, Some(1), Some(2)]);
        queue.end();
        assert_eq!((queue.push(5), queue.len(), queue.is_over()), (Some(5), 2, true));
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(3), Some(4), None));
    }

    #[tokio::test]
    async fn who_waits_hears_of_what_came_before_and_of_the_end() {
        let queue = Queue::new(2);
        queue.push(1);
        queue.changed().await;
        queue.end();
        queue.over().await;
        queue.over().await;
    }
}
