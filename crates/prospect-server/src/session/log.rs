//! The last events of a session, numbered, for any number of readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::mutex::Mutex;

/// Most bytes of the kept events.
const MOST_BYTES: usize = 4 << 20;

/// An event in the form in which it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedEvent {
    /// Number of the event. Numbers increase, also across restarts of the server.
    pub(crate) number: u64,
    /// Kind of the event.
    pub(crate) name: &'static str,
    /// One line of JSON.
    pub(crate) data: Arc<str>,
}

/// Keeps the last events. New events wake the readers; the writer never waits for them.
#[derive(Debug)]
pub(crate) struct EventLog {
    state: Mutex<Kept>,
    newest: watch::Sender<u64>,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    events: VecDeque<LoggedEvent>,
    bytes: usize,
    /// Number before the first event.
    base: u64,
    last: u64,
    is_over: bool,
}

/// What a reader finds in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// The events after the one that the reader knows.
    pub(crate) events: Vec<LoggedEvent>,
    /// Number of events in between that were discarded.
    pub(crate) missed: u64,
    /// Whether no event follows these.
    pub(crate) is_over: bool,
}

impl EventLog {
    /// A log that keeps at most `most` events.
    pub(crate) fn new(most: usize) -> Self {
        Self::based(base_now(), most)
    }

    fn based(base: u64, most: usize) -> Self {
        let kept = Kept { events: VecDeque::new(), bytes: 0, base, last: base, is_over: false };
        Self { state: Mutex::new(kept), newest: watch::Sender::new(base), most: most.max(1) }
    }

    /// Adds an event.
    pub(crate) fn add(&self, name: &'static str, data: String) {
        let mut kept = self.state.lock();
        kept.last += 1;
        let event = LoggedEvent { number: kept.last, name, data: data.into() };
        kept.bytes += event.data.len();
        kept.events.push_back(event);
        while kept.events.len() > self.most || (kept.bytes > MOST_BYTES && kept.events.len() > 1) {
            if let Some(gone) = kept.events.pop_front() {
                kept.bytes -= gone.data.len();
            }
        }
        let last = kept.last;
        drop(kept);
        self.newest.send_replace(last);
    }

    /// Ends the log: no event follows.
    pub(crate) fn end(&self) {
        self.state.lock().is_over = true;
        self.wake();
    }

    /// Wakes the readers without a new event, because something else has changed.
    pub(crate) fn wake(&self) {
        self.newest.send_modify(|_| {});
    }

    /// Number of the newest event.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// All events after event `number`; 0 is before the first one.
    pub(crate) fn behind(&self, number: u64) -> Found {
        let kept = self.state.lock();
        // For a number of an earlier server, nobody knows how many events followed it. At least one
        // missed event is reported.
        let (known, earlier) = match number {
            0 => (kept.base, 0),
            earlier if earlier < kept.base => (kept.base, 1),
            known => (known, 0),
        };
        let first = kept.events.front().map_or(kept.last + 1, |event| event.number);
        let missed = first.saturating_sub(known.saturating_add(1)) + earlier;
        let events = kept.events.iter().filter(|event| event.number > known).cloned().collect();
        Found { events, missed, is_over: kept.is_over }
    }

    /// Signals changes of the log.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

/// A number that no earlier log has reached: the time in milliseconds, times 1,024. It is small enough
/// for JavaScript's integers.
fn base_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default() << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_find_what_is_behind_what_they_know_and_how_much_they_missed() {
        let log = EventLog::based(100, 3);
        for number in 1..=5 {
            log.add("frame", format!("{{\"index\":{number}}}"));
        }
        let numbers = |found: &Found| found.events.iter().map(|event| event.number).collect::<Vec<_>>();
        let all = log.behind(0);
        assert_eq!((numbers(&all), all.missed, all.is_over), (vec![103, 104, 105], 2, false));
        let some = log.behind(104);
        assert_eq!((numbers(&some), some.missed), (vec![105], 0));
        // A reader of the server before this one.
        let earlier = log.behind(57);
        assert_eq!((numbers(&earlier), earlier.missed), (vec![103, 104, 105], 3));
        log.end();
        let none = log.behind(105);
        assert_eq!((numbers(&none), none.missed, none.is_over), (vec![], 0, true));
        assert!(EventLog::new(3).last() > 1 << 50 && EventLog::new(3).last() < 1 << 53);
    }

    #[test]
    fn large_events_do_not_fill_the_memory() {
        let log = EventLog::new(1000);
        (0..10).for_each(|_| log.add("summary", "x".repeat(1 << 20)));
        assert_eq!(log.behind(0).events.len(), 4);
        log.add("summary", "x".repeat(5 << 20));
        assert_eq!(log.behind(0).events.len(), 1, "the newest stays, whatever its size");
    }
}
