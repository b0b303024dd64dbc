//! Rising time stamps: those that come with frames, and the moments at which frames arrive.

use std::time::Instant;

/// The least seconds between two frames. Two time stamps are never equal.
const LEAST_STEP: f64 = 1e-3;

/// The stamps of one stream.
#[derive(Debug)]
pub(crate) struct Stamps {
    begins: f64,
    /// The moment and the stream time of the first frame that was stamped on arrival.
    first: Option<(Instant, f64)>,
    last: Option<f64>,
}

impl Stamps {
    /// The stamps of a stream whose first frame is not before `begins`, in seconds.
    pub(crate) fn new(begins: f64) -> Self {
        Self { begins, first: None, last: None }
    }

    /// Takes a time stamp that came with a frame.
    ///
    /// # Errors
    /// The last time stamp, which has to be exceeded; for a first frame, the begin of the stream.
    pub(crate) fn given(&mut self, time: f64) -> Result<f64, f64> {
        let is_later = time.is_finite() && self.last.map_or(time >= self.begins, |last| time > last);
        if !is_later {
            return Err(self.last.unwrap_or(self.begins));
        }
        self.last = Some(time);
        Ok(time)
    }

    /// Stamps a frame that arrives now, by its distance from the first frame.
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
