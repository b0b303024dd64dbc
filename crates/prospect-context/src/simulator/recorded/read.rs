//! Turns the events of a trace into steps and overflows.

use super::error::RecordingError;
use super::event::{RecordedFrame, RecordedOverflow, RecordedSegment, TraceEvent};
use crate::account::{UserTurn, is_opening};
use crate::budget::Budget;
use crate::segment::SegmentKind;
use crate::simulator::options::SimulatorOptions;
use crate::simulator::stream::{StreamSegment, StreamStep};

/// A run, read from its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    strategy: Option<String>,
    budget: Budget,
    user_turn: Option<UserTurn<usize>>,
    steps: Vec<StreamStep>,
    overflows: Vec<(usize, RecordedOverflow)>,
}

impl Recording {
    /// Reads a run. If the run was killed between an eviction and the frame for which it made room, that
    /// eviction is left out.
    ///
    /// # Errors
    /// The first fault of the trace.
    pub fn from_events(events: impl IntoIterator<Item = TraceEvent>) -> Result<Self, RecordingError> {
        let mut reader = Reader::default();
        events.into_iter().try_for_each(|event| reader.event(event))?;
        let budget = reader.budget.ok_or(RecordingError::NoBudget)?;
        if let Some(overflow) = reader.overflow.take().filter(|overflow| overflow.is_after_frame) {
            reader.say(reader.waiting_tokens(overflow.event.incoming));
            reader.overflows.push((reader.steps.len() - 1, overflow.event));
        }
        let Reader { strategy, user_turn, steps, overflows, .. } = reader;
        Ok(Self { strategy, budget, user_turn, steps, overflows })
    }

    /// The name of the run's strategy.
    pub fn strategy(&self) -> Option<&str> {
        self.strategy.as_deref()
    }

    /// The budget of the run.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// The steps of the stream, without the texts that evictions put back. They can be given to any strategy.
    pub fn steps(&self) -> &[StreamStep] {
        &self.steps
    }

    /// The evictions of the run, each with the number of its step, counted from 0.
    pub fn overflows(&self) -> &[(usize, RecordedOverflow)] {
        &self.overflows
    }

    /// Options for a simulation of another strategy on this stream, under the run's budget.
    pub fn options(&self) -> SimulatorOptions<'static> {
        SimulatorOptions { user_turn: self.user_turn, ..SimulatorOptions::new(self.budget) }
    }
}

#[derive(Default)]
struct Reader {
    strategy: Option<String>,
    budget: Option<Budget>,
    user_turn: Option<UserTurn<usize>>,
    steps: Vec<StreamStep>,
    overflows: Vec<(usize, RecordedOverflow)>,
    /// The overflow since the last frame, if there was one.
    overflow: Option<Overflow>,
    cache_tokens: usize,
}

struct Overflow {
    event: RecordedOverflow,
    is_after_frame: bool,
}

impl Overflow {
    /// Whether a segment that opens a chunk is the last token of a generation whose own segment was dropped
    /// by the eviction. The token is then a separate segment.
    fn orphaned(&self, segment: &RecordedSegment) -> bool {
        let waiting = if self.is_after_frame { self.event.incoming } else { self.event.pending };
        segment.kind == SegmentKind::Frame && segment.tokens == waiting
    }
}

/// The segments that went in with a frame, by their origin.
struct Chunk {
    /// What the assistant said at the step before.
    said: Option<StreamSegment>,
    own: Vec<StreamSegment>,
}

impl Reader {
    fn event(&mut self, event: TraceEvent) -> Result<(), RecordingError> {
        match event {
            TraceEvent::RunStarted { strategy } => self.strategy = Some(strategy),
            TraceEvent::Budget(_) if self.budget.is_some() => return Err(RecordingError::SecondBudget),
            TraceEvent::Budget(budget) => {
                (self.budget, self.user_turn) = (Some(budget.into()), budget.user_turn);
            }
            TraceEvent::Frame(frame) => return self.frame(&frame),
            TraceEvent::Overflow(overflow) => return self.overflow(overflow),
            TraceEvent::Other => {}
        }
        Ok(())
    }

    fn overflow(&mut self, event: RecordedOverflow) -> Result<(), RecordingError> {
        let time = event.time;
        if self.overflow.is_some() {
            return Err(RecordingError::SecondOverflow { time });
        }
        if event.tokens_before != self.cache_tokens {
            let (expected, found) = (self.cache_tokens, event.tokens_before);
            return Err(RecordingError::TokensBefore { time, expected, found });
        }
        // A check after the frame counts the pending token alone.
        let is_after_frame = event.incoming <= 1 && self.steps.last().is_some_and(|last| last.time == time);
        let (mut kept, mut before) = (0, 0);
        for &[start, end] in &event.kept {
            if start >= end || start < before || end > event.tokens_before {
                return Err(RecordingError::KeptRange { time, start, end });
            }
            (kept, before) = (kept + end - start, end);
        }
        let put_back = event.put_back.iter().map(|put_back| put_back.tokens);
        let expected = if is_after_frame { kept } else { put_back.fold(kept, usize::saturating_add) };
        if event.tokens_after != expected {
            return Err(RecordingError::TokensAfter { time, expected, found: event.tokens_after });
        }
        self.cache_tokens = event.tokens_after;
        self.overflow = Some(Overflow { event, is_after_frame });
        Ok(())
    }

    fn frame(&mut self, frame: &RecordedFrame) -> Result<(), RecordingError> {
        let RecordedFrame { index, time, cache_tokens: found, .. } = *frame;
        if self.budget.is_none() {
            return Err(RecordingError::NoBudget);
        }
        if let Some(previous) = self.steps.last().map(|last| last.time).filter(|previous| *previous > time) {
            return Err(RecordingError::TimeFalls { index, time, previous });
        }
        let is_frame = |segment: &RecordedSegment| segment.kind == SegmentKind::Frame && !segment.continues;
        let shown = frame.segments.iter().rposition(is_frame).ok_or(RecordingError::NoFrame { index })?;
        let tokens = frame.segments.iter().map(|segment| segment.tokens);
        let expected = tokens.fold(self.cache_tokens, usize::saturating_add);
        if expected != found {
            return Err(RecordingError::CacheTokens { index, expected, found });
        }
        let chunk = self.chunk(index, &frame.segments[..shown])?;
        let behind_frame = &frame.segments[shown + 1..];
        let with_frame = behind_frame.iter().take_while(|segment| segment.with_frame).count();
        let (behind, reply) = behind_frame.split_at(with_frame);
        let step = StreamStep {
            time,
            before: chunk.own,
            frame: stream_segment(&frame.segments[shown]),
            behind: behind.iter().map(stream_segment).collect(),
            similarity: frame.similarity,
            reply: reply.iter().map(stream_segment).collect(),
            spoke: frame.spoke.unwrap_or(!reply.is_empty()),
            waiting: None,
        };
        self.said_before(chunk.said, step.chunk_tokens())?;
        self.cache_tokens = found;
        self.steps.push(step);
        Ok(())
    }

    /// Separates the texts that an eviction put back, the tokens of the step before, and the segments that
    /// came in with this step.
    fn chunk(&self, index: usize, segments: &[RecordedSegment]) -> Result<Chunk, RecordingError> {
        let after_frame = self.overflow.iter().filter(|overflow| overflow.is_after_frame);
        let mut put_back = after_frame.flat_map(|overflow| &overflow.event.put_back).peekable();
        let mut chunk = Chunk { said: None, own: Vec::new() };
        for segment in segments {
            let is_put_back = put_back.next_if(|put_back| {
                let pinned = is_opening(put_back.kind);
                let expected = (put_back.kind, put_back.tokens, pinned, false);
                expected == (segment.kind, segment.tokens, segment.pinned, segment.continues)
            });
            let orphan = self.overflow.as_ref().is_some_and(|overflow| overflow.orphaned(segment));
            let orphan = orphan && chunk.own.is_empty();
            let is_said = segment.continues || orphan || segment.kind == SegmentKind::Assistant;
            match is_put_back {
                Some(_) => {}
                None if is_said && chunk.said.is_none() => {
                    let continues = segment.continues || orphan;
                    chunk.said = Some(StreamSegment { continues, ..stream_segment(segment) });
                }
                None => chunk.own.push(stream_segment(segment)),
            }
        }
        match put_back.any(|put_back| put_back.tokens > 0) {
            true => Err(RecordingError::PutBackMissing { index }),
            false => Ok(chunk),
        }
    }

    /// Gives the step before its waiting tokens. `said` went in with this step of `own` tokens, or an
    /// eviction dropped it.
    fn said_before(&mut self, said: Option<StreamSegment>, own: usize) -> Result<(), RecordingError> {
        let said_tokens = said.map_or(0, |said| said.tokens);
        let Some(Overflow { event, is_after_frame }) = self.overflow.take() else {
            self.say(said);
            return Ok(());
        };
        let (time, found) = (event.time, event.incoming);
        let brought = if is_after_frame { 0 } else { own };
        let Some(waiting) = found.checked_sub(brought) else {
            return Err(RecordingError::Incoming { time, expected: brought + said_tokens, found });
        };
        let contradicts = event.pending > 0 && !is_after_frame && waiting != event.pending;
        if (said.is_some_and(|said| said.continues || !is_after_frame) && waiting != said_tokens)
            || contradicts
        {
            let expected = brought + said_tokens.max(event.pending);
            return Err(RecordingError::Incoming { time, expected, found });
        }
        self.say(said.or_else(|| self.waiting_tokens(waiting)));
        let step = self.steps.len();
        self.overflows.push((if is_after_frame { step - 1 } else { step }, event));
        Ok(())
    }

    /// Tokens that an eviction dropped before they went in: the last token of a generation, the end of a reply in the user's
    /// turn, or a message in place of a reply.
    fn waiting_tokens(&self, tokens: usize) -> Option<StreamSegment> {
        let message = StreamSegment::new(SegmentKind::Assistant, tokens);
        match tokens {
            0 => None,
            _ if self.user_turn.is_some() => Some(StreamSegment { continues: true, ..message }),
            1 => Some(StreamSegment::last_token(SegmentKind::Frame)),
            _ => Some(message),
        }
    }

    /// Sets the tokens that the last step generated and that were not in the cache yet.
    fn say(&mut self, waiting: Option<StreamSegment>) {
        if let Some(last) = self.steps.last_mut() {
            last.waiting = waiting;
        }
    }
}

fn stream_segment(recorded: &RecordedSegment) -> StreamSegment {
    let RecordedSegment { kind, tokens, pinned, continues, with_frame: _ } = *recorded;
    StreamSegment { kind, tokens, pinned, fact: None, continues }
}
