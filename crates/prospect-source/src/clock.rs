//! The clock that live frames are stamped with.

use std::time::Instant;

use super::StopSignal;

/// Tells the time and waits.
pub trait Clock: Send + Sync {
    /// This moment.
    fn now(&self) -> Instant;
    /// Waits until a moment, or until it is told to stop.
    fn wait_until(&self, until: Instant, stop: &StopSignal);
}

/// The machine's own.
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

/// One that goes on only when somebody waits for it.
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
