//! A stream of an engine together with its trace: the events of each input are recorded before the next
//! input.

use prospect_engine::{
    EngineError, Output, Picture, Stream, StreamFrame, StreamInput, StreamModel, peak_memory_bytes,
};
use prospect_journal::TraceSink;
use prospect_session::{Aside, Event, Reply, RunStatistics};

use crate::error::RunError;
use prospect_source::Frame;
use prospect_source::delivery::Arrival;

/// A stream's handle, used for one input at a time.
pub struct ServedStream<M: StreamModel> {
    stream: Stream<M>,
}

impl<M: StreamModel> ServedStream<M> {
    /// Wraps a stream of an engine.
    pub fn of(stream: Stream<M>) -> Self {
        Self { stream }
    }

    /// The handle through which people speak to the stream.
    pub fn input(&self) -> &StreamInput<M> {
        self.stream.input()
    }

    /// Processes one frame and returns the reply, if the assistant spoke. For live streams `arrival`
    /// says when the frame came and how many wait behind it. If the stream reports words as they are
    /// generated, `hears` and the trace's sink get them.
    ///
    /// # Errors
    /// Whatever ends the stream: the strategy, the model, the budget or the trace.
    pub fn frame(
        &self,
        frame: &Frame,
        picture: Picture<M::PreparedPicture>,
        arrival: Option<(Arrival, usize)>,
        trace: &mut dyn TraceSink,
        hears: &mut dyn FnMut(&str),
    ) -> Result<Option<Reply>, RunError> {
        let (index, time) = (frame.index, frame.time);
        let arrival = arrival.map(|(arrival, queued)| (arrival.at, arrival.deadline, queued));
        self.stream.input().frame(StreamFrame { index, time, picture, arrival })?;
        loop {
            match self.stream.next()? {
                Output::Event(event) => trace.record(&event)?,
                Output::Words(words) => {
                    trace.words(&words);
                    hears(&words.text);
                }
                Output::FrameDone(reply) => {
                    trace.flush()?;
                    return Ok(reply);
                }
                Output::Failed(error) => return Err(error.into()),
            }
        }
    }

    /// Records an event that does not belong to a frame.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn aside(&self, aside: Aside, trace: &mut dyn TraceSink) -> Result<(), RunError> {
        self.stream.input().aside(aside)?;
        // It produces a single event.
        if let Output::Event(event) = self.stream.next()? {
            trace.record(&event)?;
        }
        Ok(trace.flush()?)
    }

    /// Records all events so far.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn record_rest(&self, trace: &mut dyn TraceSink) -> Result<(), RunError> {
        for output in self.stream.rest() {
            if let Output::Event(event) = output {
                trace.record(&event)?;
            }
        }
        Ok(())
    }

    /// Closes the trace of a run that ended normally.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn finish(&self, trace: &mut dyn TraceSink) -> Result<RunStatistics, RunError> {
        let statistics = self.stream.input().finish(None)?;
        self.record_rest(trace)?;
        trace.flush()?;
        Ok(statistics)
    }

    /// Closes the trace of a run that failed. Earlier events are kept.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn fail(&self, error: &RunError, trace: &mut dyn TraceSink) -> Result<(), RunError> {
        match self.stream.input().finish(Some(error.to_string())) {
            Ok(_) => {
                self.record_rest(trace)?;
                Ok(trace.flush()?)
            }
            // The engine has stopped, so the stream's figures are unknown.
            Err(EngineError::Stopped) => close_failed(trace, error, &RunStatistics::default()),
            Err(other) => Err(other.into()),
        }
    }
}

/// Closes the trace of a failed run with these figures.
///
/// # Errors
/// The trace cannot be written.
pub fn close_failed(
    trace: &mut dyn TraceSink,
    error: &RunError,
    statistics: &RunStatistics,
) -> Result<(), RunError> {
    trace.record(&Event::Error { message: error.to_string() })?;
    trace.record(&statistics.finished(peak_memory_bytes()))?;
    Ok(trace.flush()?)
}
