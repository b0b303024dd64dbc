//! Streams that have a pace of their own: what is late, what is dropped, what is interrupted.

use std::time::Instant;

use super::{Session, milliseconds};
use crate::error::RunError;
use crate::source::delivery::{Arrival, DroppedFrame};
use crate::stream_model::StreamModel;
use crate::trace::{Event, PaceEntry};

/// Why a frame did not reach a model that was busy.
const STALE: &str = "newer frames came while the model was busy";

/// A frame whose turn it is.
pub(super) struct InTurn {
    arrival: Arrival,
    wait_ms: f64,
    queued: usize,
}

impl<M: StreamModel> Session<'_, M> {
    /// Tells when the frame that goes in next came, and how many wait behind it.
    pub fn arrived(&mut self, arrival: Arrival, queued: usize) {
        self.arrival = Some(InTurn { arrival, wait_ms: milliseconds(arrival.at), queued });
    }

    /// Records a frame that could not be had.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn lose_frame(&mut self, reason: &str) -> Result<(), RunError> {
        self.drop_frame(reason, None)
    }

    /// Records a frame that gave way to newer ones.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn skip_frame(&mut self, frame: DroppedFrame) -> Result<(), RunError> {
        self.drop_frame(STALE, Some(frame))
    }

    /// Records that a live source was lost and is back.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn source_interrupted(&mut self, message: &str) -> Result<(), RunError> {
        self.statistics.interruption();
        self.trace.record(&Event::SourceInterrupted { message: message.to_owned() })?;
        self.trace.flush()
    }

    /// Records what is to be said of the source, of which no frame is lost.
    ///
    /// # Errors
    /// The trace cannot be written.
    pub fn source_note(&mut self, message: &str) -> Result<(), RunError> {
        self.trace.record(&Event::SourceNote { message: message.to_owned() })?;
        self.trace.flush()
    }

    fn drop_frame(&mut self, reason: &str, frame: Option<DroppedFrame>) -> Result<(), RunError> {
        self.statistics.frames_dropped += 1;
        self.trace.record(&Event::FrameDropped {
            reason: reason.to_owned(),
            index: frame.map(|frame| frame.index),
            time: frame.map(|frame| frame.time),
        })?;
        self.trace.flush()
    }

    /// How the frame fared that the model is done with.
    pub(super) fn pace_of_frame(&mut self) -> Option<PaceEntry> {
        let InTurn { arrival, wait_ms, queued } = self.arrival.take()?;
        let missed = Instant::now() > arrival.deadline;
        let entry = PaceEntry { wait_ms, lag_ms: milliseconds(arrival.at), queued, missed };
        self.statistics.pace(&entry);
        Some(entry)
    }
}
