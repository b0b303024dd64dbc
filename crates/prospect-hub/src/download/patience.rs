//! How often and how long a failing hub is asked again.

use std::time::Duration;

use crate::error::HubError;
use crate::interrupt::Interrupt;

/// How often a failing hub is asked again. Pauses double from one failure to the next.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Failures in a row before the last one is reported.
    pub tries: u32,
    /// Pause after the first.
    pub first_pause: Duration,
    /// Longest pause, also where the hub asks for a longer one: then it is reported at once.
    pub longest_pause: Duration,
    /// How long a connection may be silent.
    pub silence: Duration,
    /// Fewest bytes that a connection has to bring in each such period, and to count as no failure when it breaks.
    pub least_bytes: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            silence: Duration::from_secs(30),
            least_bytes: 32 << 10,
        }
    }
}

/// The failures in a row.
pub(super) struct Failures {
    patience: Patience,
    interrupt: Interrupt,
    count: u32,
}

impl Failures {
    pub(super) fn new(patience: Patience, interrupt: Interrupt) -> Self {
        Self { patience, interrupt, count: 0 }
    }

    /// Something went well.
    pub(super) fn forget(&mut self) {
        self.count = 0;
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// The failure itself, where no try is left, or none would help.
    pub(super) fn wait(&mut self, failure: HubError) -> Result<(), HubError> {
        self.count += 1;
        if !failure.is_passing() || self.count >= self.patience.tries {
            return Err(failure);
        }
        let doubled = self.patience.first_pause * 2u32.saturating_pow(self.count - 1);
        let wanted = match failure {
            HubError::RateLimited { seconds: Some(seconds), .. } => Duration::from_secs(seconds),
            _ => Duration::ZERO,
        };
        if wanted > self.patience.longest_pause {
            return Err(failure);
        }
        self.interrupt.sleep(doubled.min(self.patience.longest_pause).max(wanted))
    }
}
