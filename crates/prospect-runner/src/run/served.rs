//! A stream of an engine whose trace is written here: what comes of each input is taken down before the next.

use prospect_engine::{
    EngineError, Output, Picture, Stream, StreamFrame, StreamInput, StreamModel, peak_memory_bytes,
};
use prospect_journal::TraceSink;
use prospect_session::{Aside, Event, Reply, RunStatistics};

use crate::error::RunError;
use prospect_source::Frame;
use prospect_source::delivery::Arrival;

/// The handle of a stream, one input at a time.
pub struct ServedStream<M: StreamModel> {
    stream: Stream<M>,
}

impl<M: StreamModel> ServedStream<M> {
    /// Of a stream of an engine.
    pub fn of(stream: Stream<M>) -> Self {
        Self { stream }
    }

    /// What people speak through.
    pub fn input(&self) -> &StreamInput<M> {
        self.stream.input()
    }

    /// Puts one frame in and returns the reply, if the assistant spoke. `arrival` says when it came and how many wait behind
    /// it, where the stream has a pace of its own. `hears` is told words of the reply as they come, as the trace's sink is, where the
    /// stream tells them.
    ///
    /// # Errors
    /// Whatever ends the stream: the strategy, the model, the budget, the trace.
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

    /// Records what happened to the stream beside its frames.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn aside(&self, aside: Aside, trace: &mut dyn TraceSink) -> Result<(), RunError> {
        self.stream.input().aside(aside)?;
        // It is one event.
        if let Output::Event(event) = self.stream.next()? {
            trace.record(&event)?;
        }
        Ok(trace.flush()?)
    }

    /// Records everything that has come by now.
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

    /// Closes the trace of a run that came to its end.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn finish(&self, trace: &mut dyn TraceSink) -> Result<RunStatistics, RunError> {
        let statistics = self.stream.input().finish(None)?;
        self.record_rest(trace)?;
        trace.flush()?;
        Ok(statistics)
    }

    /// Closes the trace of a run that failed; what was recorded before stays.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn fail(&self, error: &RunError, trace: &mut dyn TraceSink) -> Result<(), RunError> {
        match self.stream.input().finish(Some(error.to_string())) {
            Ok(_) => {
                self.record_rest(trace)?;
                Ok(trace.flush()?)
            }
            // Nobody is there any more who knows the figures.
            Err(EngineError::Stopped) => close_failed(trace, error, &RunStatistics::default()),
            Err(other) => Err(other.into()),
        }
    }
}

/// Closes the trace of a run that failed after these figures.
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
