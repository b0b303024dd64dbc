//! The delivery of frames from a source to the model. A thread reads ahead and prepares pictures, and a queue
//! holds the frames that wait.

mod pace;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Clock, FrameSource, SourceError, StopSignal, SystemClock};
use image::RgbImage;
use pace::Pacer;
use queue::FrameQueue;

pub use pace::Pace;
pub use queue::{Arrival, Delivered, DeliveryPolicy, DroppedFrame, PreparedFrame};

/// The answer to a request for the next frame.
#[derive(Debug)]
pub enum Next<P> {
    /// A frame, or what the source gave in its place.
    Item(Delivered<P>),
    /// There was nothing within the given time.
    NotYet,
    /// The source has ended.
    End,
}

/// A source that is read on a separate thread. Dropping it stops the source and waits for the thread.
pub struct Delivery<P> {
    shared: Arc<Shared<P>>,
    stop: StopSignal,
    reader: Option<JoinHandle<()>>,
    description: String,
    length: Option<usize>,
    is_live: bool,
}

struct Shared<P> {
    state: Mutex<State<P>>,
    changed: Condvar,
}

struct State<P> {
    queue: FrameQueue<P>,
    /// Whether the source has ended.
    ended: bool,
    /// Whether the receiver wants no more frames.
    closed: bool,
}

impl<P> Shared<P> {
    /// Locks the state. Poisoning is ignored, because no code under the lock panics half-way.
    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State<P>>, patience: Duration) -> MutexGuard<'a, State<P>> {
        self.changed.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Records that the reader's thread has ended, for whatever reason.
struct EndGuard<P>(Arc<Shared<P>>);

impl<P> Drop for EndGuard<P> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The interval at which a waiting source checks whether it still has to wait.
const POLL: Duration = Duration::from_millis(100);

/// The work on every picture before its turn, on the thread that reads.
pub type Prepare<P> = Box<dyn FnMut(&Arc<RgbImage>) -> P + Send>;

impl<P: Send + 'static> Delivery<P> {
    /// Begins to read `source`, until `stop` is given. Its frames are `interval` apart, and `prepare` is
    /// applied to each picture.
    ///
    /// # Errors
    /// [`SourceError::Unreadable`] if the system could not start a thread.
    pub fn start(
        source: Box<dyn FrameSource>,
        prepare: Prepare<P>,
        policy: DeliveryPolicy,
        pace: Pace,
        interval: Duration,
        stop: StopSignal,
    ) -> Result<Self, SourceError> {
        let name = source.description().to_owned();
        Self::with_clock(source, prepare, policy, (pace, interval), stop, Arc::new(SystemClock))
            .map_err(|source| SourceError::Unreadable { path: name.into(), source })
    }

    fn with_clock(
        mut source: Box<dyn FrameSource>,
        mut prepare: Prepare<P>,
        policy: DeliveryPolicy,
        (pace, interval): (Pace, Duration),
        stop: StopSignal,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (description, length) = (source.description().to_owned(), source.length());
        let is_live = source.is_live();
        let state = State { queue: FrameQueue::new(policy), ended: false, closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let mut pacer = Pacer { pace, interval, clock, stop: stop.clone(), first: None };
        let guard = EndGuard(Arc::clone(&shared));
        let reader = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            let shared = &guard.0;
            while let Some(item) = source.next_frame() {
                let arrival = item.as_ref().ok().and_then(|frame| pacer.arrival(frame.time));
                let item = item.map(|frame| PreparedFrame { picture: prepare(&frame.image), frame });
                let mut state = shared.lock();
                while !state.queue.has_room() && !state.closed {
                    state = shared.wait(state, POLL);
                }
                if state.closed {
                    return;
                }
                state.queue.push(item, arrival);
                drop(state);
                shared.changed.notify_all();
            }
        })?;
        Ok(Self { shared, stop, reader: Some(reader), description, length, is_live })
    }

    /// The next item, in the order of the source. Waits for it at most as long as `patience`.
    ///
    /// # Panics
    /// If the source panicked.
    pub fn next(&mut self, patience: Duration) -> Next<P> {
        let until = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            if let Some(item) = state.queue.pop() {
                drop(state);
                self.shared.changed.notify_all();
                return Next::Item(item);
            }
            if state.ended {
                drop(state);
                if let Some(Err(panic)) = self.reader.take().map(JoinHandle::join) {
                    std::panic::resume_unwind(panic);
                }
                return Next::End;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Next::NotYet;
            }
            state = self.shared.wait(state, left);
        }
    }

    /// The number of frames that the source will give, if it is known.
    pub fn length(&self) -> Option<usize> {
        self.length
    }

    /// Whether the source goes on by itself.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// A short description of the source.
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl<P> Drop for Delivery<P> {
    fn drop(&mut self) {
        self.stop.stop();
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        if let Some(reader) = self.reader.take() {
            // A source that panicked after the last frame that anybody wanted has nobody to tell.
            let _ = reader.join();
        }
    }
}
