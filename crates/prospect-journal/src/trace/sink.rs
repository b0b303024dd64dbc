//! Who takes the events of a stream, and how far a trace has come.

use std::io::Write;

use prospect_session::{Event, Words};
use serde::{Deserialize, Serialize};

use crate::error::JournalError;

/// How far a trace has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracePosition {
    /// Its length in bytes.
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

/// Takes the events of a stream as they happen.
pub trait TraceSink {
    /// Takes one event.
    fn record(&mut self, event: &Event) -> Result<(), JournalError>;
    /// Hears words of a reply as they come, where somebody asked for them. A trace has the reply as a whole.
    fn words(&mut self, _: &Words) {}
    /// Makes everything so far readable to others.
    fn flush(&mut self) -> Result<(), JournalError>;
    /// How far the trace has come; everything so far outlives a crash of the machine afterwards.
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

    /// Counted in events.
    fn position(&mut self) -> Result<TracePosition, JournalError> {
        Ok(TracePosition { bytes: self.len() as u64, crc32: 0 })
    }
}

/// Takes events down twice: in a trace, and as JSON lines on something that is read while the run goes on.
pub struct Tee<'a, W: Write> {
    trace: &'a mut dyn TraceSink,
    lines: W,
}

impl<'a, W: Write> Tee<'a, W> {
    /// Events go to `trace`, and to `lines` as far as somebody reads there.
    pub fn new(trace: &'a mut dyn TraceSink, lines: W) -> Self {
        Self { trace, lines }
    }
}

impl<W: Write> TraceSink for Tee<'_, W> {
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        // Events always serialise, and a reader that went away is no reason to stop the run.
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
