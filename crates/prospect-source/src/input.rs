//! How a source is reached: by which program, for how long, how often again.

use std::path::PathBuf;
use std::time::Duration;

/// What the settings say of the way to a source.
#[derive(Debug, Clone, PartialEq)]
pub struct InputOptions {
    /// Whether it goes on by itself; `None` asks what kind of source it is.
    pub live: Option<bool>,
    /// The ffmpeg program.
    pub ffmpeg: PathBuf,
    /// Its arguments before the input.
    pub ffmpeg_input: Vec<String>,
    /// Without a frame for so long, a live source is lost.
    pub stall_timeout: Duration,
    /// When a lost source is tried again.
    pub reconnect: Reconnect,
    /// Whether a live source that gives no frame at all is waited for like one that is lost, and not refused at once.
    pub is_awaited: bool,
    /// Where the stream was that a live source goes on with; what the source gave meanwhile is gone.
    pub behind: Behind,
}

/// How far a stream has come; nowhere by default.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Behind {
    /// The number of its next frame.
    pub index: usize,
    /// The time of its next frame, in seconds.
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

/// When a lost source is tried again, and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconnect {
    /// Before the first try.
    pub initial: Duration,
    /// Longest time between two tries.
    pub longest: Duration,
    /// Most tries in a row; `None` is no limit.
    pub attempts: Option<usize>,
    /// Longest time without a frame; `None` is no limit.
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
    /// How long to wait after so many tries in vain: twice as long each time.
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
