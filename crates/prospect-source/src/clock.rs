//! The clock for the time stamps of live frames.

use std::time::Instant;

use super::StopSignal;

/// A clock that gives the time and waits.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Instant;
    /// Waits until a moment, or until `stop` is given.
    fn wait_until(&self, until: Instant, stop: &StopSignal);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait_until(&self, until: Instant, stop: &StopSignal) {
        stop.wait_until(until);
    }
}

/// A clock for tests, which advances only when something waits for it.
#[cfg(test)]
pub(super) struct ManualClock(std::sync::Mutex<Instant>);

#[cfg(test)]
impl ManualClock {
    pub(super) fn new() -> Self {
        Self(std::sync::Mutex::new(Instant::now()))
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn wait_until(&self, until: Instant, _: &StopSignal) {
        let mut now = self.0.lock().unwrap();
        *now = until.max(*now);
    }
}
