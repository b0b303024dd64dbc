//! Time stamps that rise: those that are given with frames, and the moments at which frames come.

use std::time::Instant;

/// Least seconds between two frames: two time stamps are never the same.
const LEAST_STEP: f64 = 1e-3;

/// The stamps of one stream.
#[derive(Debug)]
pub(crate) struct Stamps {
    begins: f64,
    /// Moment and stream time of the first frame that was stamped as it came.
    first: Option<(Instant, f64)>,
    last: Option<f64>,
}

impl Stamps {
    /// Of a stream whose first frame is not before `begins`, in seconds.
    pub(crate) fn new(begins: f64) -> Self {
        Self { begins, first: None, last: None }
    }

    /// Takes a stamp that was given.
    ///
    /// # Errors
    /// The time before which, or at which, no further stamp may be.
    pub(crate) fn given(&mut self, time: f64) -> Result<f64, f64> {
        let is_later = time.is_finite() && self.last.map_or(time >= self.begins, |last| time > last);
        if !is_later {
            return Err(self.last.unwrap_or(self.begins));
        }
        self.last = Some(time);
        Ok(time)
    }

    /// Stamps a frame that comes now: as long after the first one as it came.
    pub(crate) fn arrived(&mut self, now: Instant) -> f64 {
        let next = self.last.map_or(self.begins, |last| last + LEAST_STEP);
        let (began, first) = *self.first.get_or_insert((now, next));
        // Milliseconds are all that an arrival is good for, and read well in a trace.
        let since = (now.saturating_duration_since(began).as_secs_f64() * 1e3).round() / 1e3;
        let time = (first + since).max(next);
        self.last = Some(time);
        time
    }
}
