//! The times at which frames come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Arrival;
use crate::{Clock, StopSignal};

/// The pace of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The pace of the model: a frame is there when the model wants it, and its arrival is not measured.
    Model,
    /// The pace of the source.
    Live,
    /// The pace of the time stamps. The first frame comes at once.
    Realtime,
}

pub(super) struct Pacer {
    pub(super) pace: Pace,
    /// The time from one frame to the next.
    pub(super) interval: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: StopSignal,
    /// The moment and the stream time of the first frame.
    pub(super) first: Option<(Instant, f64)>,
}

impl Pacer {
    /// Returns the arrival of a frame. In real time, waits until the frame is due.
    pub(super) fn arrival(&mut self, time: f64) -> Option<Arrival> {
        let at = match self.pace {
            Pace::Model => return None,
            Pace::Live => self.clock.now(),
            Pace::Realtime => {
                let (began, first) = *self.first.get_or_insert_with(|| (self.clock.now(), time));
                let due = began + Duration::try_from_secs_f64(time - first).unwrap_or_default();
                self.clock.wait_until(due, &self.stop);
                due
            }
        };
        Some(Arrival { at, deadline: at + self.interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn in_real_time_a_frame_comes_when_its_time_stamp_says() {
        let clock = Arc::new(ManualClock::new());
        let began = clock.now();
        let interval = Duration::from_millis(500);
        let mut pacer = Pacer {
            pace: Pace::Realtime,
            interval,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            stop: StopSignal::default(),
            first: None,
        };
        for (time, after) in [(3.0, 0), (3.5, 500), (5.25, 2250)] {
            let at = began + Duration::from_millis(after);
            assert_eq!(pacer.arrival(time), Some(Arrival { at, deadline: at + interval }));
            assert_eq!(clock.now(), at);
        }
        // A decoder that is late makes its frame late, not the next one due later.
        clock.wait_until(began + Duration::from_secs(9), &StopSignal::default());
        assert_eq!(pacer.arrival(6.0).unwrap().at, began + Duration::from_secs(3));
    }
}
