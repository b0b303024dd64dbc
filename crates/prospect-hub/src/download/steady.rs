//! Bodies that come too slowly: a byte a second is no silence, and never ends either.

use std::io::{Error, ErrorKind, Read, Result};
use std::time::Instant;

use super::patience::Patience;
use crate::error::HubError;

/// A body that has to bring [`Patience::least_bytes`] in every period of [`Patience::silence`].
pub(super) struct Steady<R> {
    body: R,
    patience: Patience,
    /// When the period began.
    since: Instant,
    /// Bytes in it.
    bytes: u64,
}

impl<R: Read> Steady<R> {
    pub(super) fn new(body: R, patience: Patience) -> Self {
        Self { body, patience, since: Instant::now(), bytes: 0 }
    }

    /// What a failure to read means that came of the pace.
    pub(super) fn too_slow(&self, url: &str) -> Option<HubError> {
        let Patience { least_bytes, silence, .. } = self.patience;
        let slow = self.since.elapsed() >= silence && self.bytes < least_bytes;
        slow.then(|| HubError::Slow {
            url: url.to_owned(),
            bytes: self.bytes,
            seconds: silence.as_secs_f64(),
            least: least_bytes,
        })
    }
}

impl<R: Read> Read for Steady<R> {
    /// # Errors
    /// [`ErrorKind::TimedOut`] where the last period brought too little; what it brought has been read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.since.elapsed() >= self.patience.silence {
            if self.bytes < self.patience.least_bytes {
                return Err(Error::from(ErrorKind::TimedOut));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        let read = self.body.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read_all(least_bytes: u64) -> (Result<usize>, bool) {
        // Every read is a period of its own.
        let patience = Patience { least_bytes, silence: Duration::ZERO, ..Patience::default() };
        let mut body = Steady::new(&b"0123456789"[..], patience);
        let mut chunk = [0; 4];
        let read = std::iter::from_fn(|| match body.read(&mut chunk) {
            Ok(0) => None,
            other => Some(other),
        });
        let sum = read.sum::<Result<usize>>();
        (sum, body.too_slow("url").is_some())
    }

    #[test]
    fn a_period_that_brings_too_little_is_the_end() {
        let mut body = Steady::new(
            &b"0123456789"[..],
            Patience { least_bytes: 4, silence: Duration::from_secs(3600), ..Patience::default() },
        );
        let mut chunk = [0; 2];
        assert_eq!(body.read(&mut chunk).unwrap(), 2);
        assert!(body.too_slow("url").is_none(), "the period has not ended");
        let (read, slow) = read_all(4);
        assert_eq!((read.unwrap_err().kind(), slow), (ErrorKind::TimedOut, true));
    }
}
