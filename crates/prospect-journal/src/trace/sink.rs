//! Receivers of a stream's events, and the position that a trace has reached.

use std::io::Write;

use prospect_session::{Event, Words};
use serde::{Deserialize, Serialize};

use crate::error::JournalError;

/// Position in a trace, used to continue the trace of a suspended stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracePosition {
    /// Length of the trace, in bytes.
    pub bytes: u64,
    /// CRC-32 of these bytes.
    pub crc32: u32,
}

impl TracePosition {
    pub(super) fn go_on(&mut self, bytes: &[u8]) {
        let mut sum = crc32fast::Hasher::new_with_initial(self.crc32);
        sum.update(bytes);
        *self = Self { bytes: self.bytes + bytes.len() as u64, crc32: sum.finalize() };
    }
}

/// Receives the events of a stream as they happen.
pub trait TraceSink {
    /// Receives one event.
    fn record(&mut self, event: &Event) -> Result<(), JournalError>;
    /// Receives the words of a reply as they are generated, for receivers that show them at once. The
    /// trace has only the whole reply.
    fn words(&mut self, _: &Words) {}
    /// Makes all events so far readable by other processes.
    fn flush(&mut self) -> Result<(), JournalError>;
    /// The position of the trace. Everything before it then survives a crash of the machine.
    fn position(&mut self) -> Result<TracePosition, JournalError>;
}

impl TraceSink for Vec<Event> {
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        self.push(event.clone());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        Ok(())
    }

    /// This sink counts events instead of bytes.
    fn position(&mut self) -> Result<TracePosition, JournalError> {
        Ok(TracePosition { bytes: self.len() as u64, crc32: 0 })
    }
}

/// Writes every event twice: to a trace, and as a JSON line to a writer that is read during the run.
pub struct Tee<'a, W: Write> {
    trace: &'a mut dyn TraceSink,
    lines: W,
}

impl<'a, W: Write> Tee<'a, W> {
    /// Sends events to `trace` and to `lines`. Errors of `lines` are ignored.
    pub fn new(trace: &'a mut dyn TraceSink, lines: W) -> Self {
        Self { trace, lines }
    }
}

impl<W: Write> TraceSink for Tee<'_, W> {
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        // Events always serialize. A reader that has gone away is no reason to stop the run.
        let _ = writeln!(self.lines, "{}", serde_json::to_string(event).unwrap_or_default());
        self.trace.record(event)
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        let _ = self.lines.flush();
        self.trace.flush()
    }

    fn position(&mut self) -> Result<TracePosition, JournalError> {
        self.trace.position()
    }
}
