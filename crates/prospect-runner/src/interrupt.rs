//! A request by a person or the operating system to stop. It is passed to everything that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prospect_source::StopSignal;

use crate::error::RunError;

/// Exit code of a program that was ended by a signal.
#[cfg(unix)]
const EXIT_INTERRUPTED: i32 = 130;

/// A request to stop. Once given it remains; clones share it. By default no signal gives it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// An interrupt given by signals: Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 stop the run at a point where
    /// traces are closed and streams are suspended. A second Ctrl-C, SIGTERM or SIGHUP ends the process
    /// at once. A second SIGUSR1, which batch systems send ahead of their time limits, does not.
    ///
    /// # Errors
    /// The operating system does not allow signal handlers.
    #[cfg(unix)]
    pub fn by_signals() -> Result<Self, RunError> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
        use signal_hook::flag;
        let interrupt = Self::default();
        let flag = || Arc::clone(&interrupt.0);
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // Registered first, so that it sees the flag as it was before this signal.
            flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, flag()).map_err(not_handled)?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] {
            flag::register(signal, flag()).map_err(not_handled)?;
        }
        Ok(interrupt)
    }

    /// An interrupt given by Ctrl-C.
    ///
    /// # Errors
    /// The operating system does not allow a handler.
    #[cfg(not(unix))]
    pub fn by_signals() -> Result<Self, RunError> {
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.0);
        signal_hook::flag::register(signal_hook::consts::SIGINT, flag).map_err(not_handled)?;
        Ok(interrupt)
    }

    /// Gives the interrupt.
    pub fn give(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`RunError::Interrupted`] if the interrupt was given.
    pub fn check(&self) -> Result<(), RunError> {
        if self.is_given() { Err(RunError::Interrupted) } else { Ok(()) }
    }

    /// The signal that sources check.
    pub fn stop_signal(&self) -> StopSignal {
        StopSignal::hearing(self.flag())
    }

    /// The flag that other libraries check.
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
