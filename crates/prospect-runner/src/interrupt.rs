//! The word of a person or of the system that what runs should come to its end; handed down to whatever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prospect_source::StopSignal;

use crate::error::RunError;

/// Exit code of a program that a signal ended.
#[cfg(unix)]
const EXIT_INTERRUPTED: i32 = 130;

/// Given once, it stays; clones hear of it too. By default nobody gives it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// One that signals give: Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 end what runs where that can be done well, so that traces are closed
    /// and streams written down; a second one of the first three ends the process at once. SIGUSR1, which batch systems send
    /// ahead of their limits, never does.
    ///
    /// # Errors
    /// A system that does not let signals be handled.
    #[cfg(unix)]
    pub fn by_signals() -> Result<Self, RunError> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
        use signal_hook::flag;
        let interrupt = Self::default();
        let flag = || Arc::clone(&interrupt.0);
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // Looked at before this signal sets it.
            flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, flag()).map_err(not_handled)?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] {
            flag::register(signal, flag()).map_err(not_handled)?;
        }
        Ok(interrupt)
    }

    /// One that Ctrl-C gives.
    ///
    /// # Errors
    /// A system that does not let it be handled.
    #[cfg(not(unix))]
    pub fn by_signals() -> Result<Self, RunError> {
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.0);
        signal_hook::flag::register(signal_hook::consts::SIGINT, flag).map_err(not_handled)?;
        Ok(interrupt)
    }

    /// Gives it.
    pub fn give(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`RunError::Interrupted`] once it was given.
    pub fn check(&self) -> Result<(), RunError> {
        if self.is_given() { Err(RunError::Interrupted) } else { Ok(()) }
    }

    /// What sources listen to.
    pub fn stop_signal(&self) -> StopSignal {
        StopSignal::hearing(self.flag())
    }

    /// What other libraries look at.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

fn not_handled(error: std::io::Error) -> RunError {
    RunError::Argument {
        argument: "Ctrl-C".to_owned(),
        problem: error.to_string(),
        expected: "a system that lets it be handled".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_hears_it_who_has_a_clone() {
        let interrupt = Interrupt::default();
        let (clone, stop) = (interrupt.clone(), interrupt.stop_signal());
        assert!(clone.check().is_ok() && !stop.is_stopped());
        interrupt.give();
        assert!(matches!(clone.check(), Err(RunError::Interrupted)) && stop.is_stopped());
    }
}
