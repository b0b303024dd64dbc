//! Standard output and standard error. A closed pipe is not a failure; a full disk is.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use prospect_foreign::one_line;
use prospect_source::text_without_secrets;

use crate::layout::{error_width, fitted};
use crate::verbosity::Level;

/// The first failure of the process's standard output.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Standard output. Failures are kept for [`failure`], so that a display does not fail a run.
#[derive(Debug, Default)]
pub(crate) struct Outlet;

impl Outlet {
    fn keep<T: Default>(result: io::Result<T>, otherwise: T) -> io::Result<T> {
        match result {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                if let Ok(mut failed) = FAILED.lock() {
                    failed.get_or_insert(error);
                }
                Ok(otherwise)
            }
            Err(_) => Ok(otherwise),
            written => written,
        }
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::keep(io::stdout().write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::keep(io::stdout().flush(), ())
    }
}

/// The error that prevented complete output, if there was one.
pub(crate) fn failure() -> Option<io::Error> {
    let _ = Outlet.flush();
    FAILED.lock().ok()?.take()
}

/// Writes a line to standard error if the level is asked for, with passwords removed from addresses. On a
/// terminal it breaks at words. A failure to write is ignored.
pub(crate) fn tell(level: Level, line: &str) {
    if !level.is_told() {
        return;
    }
    let line = text_without_secrets(&one_line(line));
    // A program that reads the lines of a pipe gets every message as one line.
    let width = if io::stderr().is_terminal() { error_width() } else { None };
    let _ = writeln!(io::stderr(), "{}", fitted(&line, width));
}
