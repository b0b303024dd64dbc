//! How a source is opened: the program, the time limits, and the attempts to reconnect.

use std::path::PathBuf;
use std::time::Duration;

/// The options for opening a source.
#[derive(Debug, Clone, PartialEq)]
pub struct InputOptions {
    /// Whether the source is live; `None` decides by the kind of the source.
    pub live: Option<bool>,
    /// The ffmpeg program.
    pub ffmpeg: PathBuf,
    /// The arguments of ffmpeg before the input.
    pub ffmpeg_input: Vec<String>,
    /// The time without a frame after which a live source counts as lost.
    pub stall_timeout: Duration,
    /// The attempts to reconnect to a lost source.
    pub reconnect: Reconnect,
    /// Whether a live source that gives no frame at its start is treated like a lost source. Otherwise it is
    /// refused at once.
    pub is_awaited: bool,
    /// The position of the stream that a live source continues. Frames that the source gave in the meantime
    /// are lost.
    pub behind: Behind,
}

/// The position of a stream; by default its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Behind {
    /// The number of its next frame.
    pub index: usize,
    /// The stream time of its next frame, in seconds.
    pub time: f64,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            live: None,
            ffmpeg: "ffmpeg".into(),
            ffmpeg_input: Vec::new(),
            stall_timeout: Duration::from_secs(10),
            reconnect: Reconnect::default(),
            is_awaited: false,
            behind: Behind::default(),
        }
    }
}

/// When the connection to a lost source is tried again, and when the source is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// The time before the first attempt.
    pub initial: Duration,
    /// The longest time between two attempts.
    pub longest: Duration,
    /// The most attempts in a row; `None` means no limit.
    pub attempts: Option<usize>,
    /// The longest time without a frame; `None` means no limit.
    pub give_up_after: Option<Duration>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            attempts: None,
            give_up_after: Some(Duration::from_secs(300)),
        }
    }
}

impl Reconnect {
    /// The time to wait after `tries` failed attempts. It doubles with every attempt.
    pub(super) fn delay(&self, tries: usize) -> Duration {
        let doubled = u32::try_from(tries).ok().and_then(|tries| 2_u32.checked_pow(tries));
        let delay = doubled.and_then(|factor| self.initial.checked_mul(factor)).unwrap_or(self.longest);
        delay.min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let reconnect = Reconnect::default();
        let delays: Vec<u128> = (0..8).map(|tries| reconnect.delay(tries).as_millis()).collect();
        assert_eq!(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(reconnect.delay(usize::MAX), reconnect.longest);
    }
}
