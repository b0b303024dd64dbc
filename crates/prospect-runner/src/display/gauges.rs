//! The figures beside the number of frames: fill of the cache, delay of the model, dropped frames.

use std::cell::Cell;
use std::rc::Rc;

use prospect_journal::{JournalError, TracePosition, TraceSink};
use prospect_session::{Event, Words};

use crate::outlet::tell;
use crate::verbosity::Level;

/// The figures after the last event.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gauges {
    cache_tokens: usize,
    max_seq_len: usize,
    dropped: usize,
    /// The delay in seconds, if the stream has a pace of its own.
    lag_ms: Option<f64>,
}

impl Gauges {
    /// For a cache of this many tokens. The trace of a resumed stream does not repeat the number.
    pub fn within(max_seq_len: usize) -> Self {
        Self { max_seq_len, ..Self::default() }
    }

    fn see(&mut self, event: &Event) {
        match event {
            Event::Budget { max_seq_len, .. } => self.max_seq_len = *max_seq_len,
            Event::Frame { cache_tokens, pace, .. } => {
                self.cache_tokens = *cache_tokens;
                self.lag_ms = pace.map(|pace| pace.lag_ms);
            }
            Event::Overflow { tokens_after, .. } => self.cache_tokens = *tokens_after,
            Event::FrameDropped { .. } => self.dropped += 1,
            _ => {}
        }
    }
}

/// `, cache 71%, 0.4 s behind, 3 dropped`. Unknown figures and zeros are left out.
impl std::fmt::Display for Gauges {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.max_seq_len > 0 {
            let share = 100.0 * self.cache_tokens as f64 / self.max_seq_len as f64;
            write!(formatter, ", cache {share:.0}%")?;
        }
        if let Some(lag_ms) = self.lag_ms {
            write!(formatter, ", {:.1} s behind", lag_ms / 1e3)?;
        }
        if self.dropped > 0 {
            write!(formatter, ", {} dropped", self.dropped)?;
        }
        Ok(())
    }
}

/// Passes events on to a trace and takes the figures from them. With `-v` it also reports events on standard
/// error.
pub struct Gauged<'a> {
    /// The trace.
    pub trace: &'a mut dyn TraceSink,
    /// The figures.
    pub gauges: Rc<Cell<Gauges>>,
}

impl TraceSink for Gauged<'_> {
    fn record(&mut self, event: &Event) -> Result<(), JournalError> {
        let mut gauges = self.gauges.get();
        gauges.see(event);
        self.gauges.set(gauges);
        if let Some((level, line)) = told(event).filter(|(level, _)| level.is_told()) {
            tell(level, &line);
        }
        self.trace.record(event)
    }

    fn words(&mut self, words: &Words) {
        self.trace.words(words);
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.trace.flush()
    }

    fn position(&mut self) -> Result<TracePosition, JournalError> {
        self.trace.position()
    }
}

/// The line and the level of an event; `None` for events that the display shows.
fn told(event: &Event) -> Option<(Level, String)> {
    Some(match event {
        Event::Budget { max_seq_len, reserved_seq_len, .. } => (
            Level::Debug,
            format!("debug: the cache holds {max_seq_len} tokens, {reserved_seq_len} of them reserved"),
        ),
        Event::Overflow { time, strategy, tokens_before, tokens_after, ms, .. } => (
            Level::Debug,
            format!(
                "debug: {time:.1} s: overflow, {strategy}: {tokens_before} tokens became {tokens_after} in {ms:.0} ms"
            ),
        ),
        Event::Summary { time, token_ids, ms, .. } => {
            (Level::Debug, format!("debug: {time:.1} s: summary of {} tokens in {ms:.0} ms", token_ids.len()))
        }
        Event::FrameDropped { reason, index: Some(index), .. } => {
            (Level::Debug, format!("debug: frame {index} dropped: {reason}"))
        }
        Event::Frame { index, time, cache_tokens, not_talk_probability, times, .. } => {
            let silence = not_talk_probability.map(|silence| format!(", P(silent) {silence:.3}"));
            let (silence, ms) = (silence.unwrap_or_default(), times.total_ms);
            (
                Level::Trace,
                format!(
                    "trace: frame {index} at {time:.1} s: {cache_tokens} tokens in the cache, {ms:.1} ms{silence}"
                ),
            )
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use prospect_session::{PaceEntry, StageTimes};

    use super::*;

    fn frame(cache_tokens: usize, pace: Option<PaceEntry>) -> Event {
        Event::Frame {
            index: 0,
            time: 0.0,
            segments: Vec::new(),
            cache_tokens,
            spoke: false,
            encoding_reused: false,
            similarity: None,
            not_talk_probability: None,
            pace,
            times: StageTimes::default(),
        }
    }

    #[test]
    fn the_figures_are_those_of_the_last_events() {
        let gauges = Rc::new(Cell::new(Gauges::default()));
        let mut events = Vec::new();
        let mut gauged = Gauged { trace: &mut events, gauges: Rc::clone(&gauges) };
        let mut after = |event: Event| {
            gauged.record(&event).unwrap();
            gauges.get().to_string()
        };
        assert_eq!(after(frame(10, None)), "");
        let budget = Event::Budget {
            max_seq_len: 200,
            reserved_seq_len: 0,
            max_reply_tokens: 0,
            max_summary_tokens: 0,
            user_turn: None,
        };
        assert_eq!(after(budget), ", cache 5%");
        let pace = PaceEntry { wait_ms: 0.0, lag_ms: 1250.0, queued: 1, missed: true };
        assert_eq!(after(frame(150, Some(pace))), ", cache 75%, 1.2 s behind");
        let dropped = Event::FrameDropped { reason: "busy".to_owned(), index: Some(1), time: Some(0.5) };
        assert_eq!(after(dropped), ", cache 75%, 1.2 s behind, 1 dropped");
        assert_eq!(events.len(), 4);
    }
}
