//! Drives a stream from its next frame to its end.

use std::time::Duration;

use prospect_config::OnCorruptFrame;
use prospect_engine::StreamModel;
use prospect_journal::TraceSink;
use prospect_session::Aside;
use prospect_source::Aftermath;
use prospect_source::delivery::{Delivered, Delivery, Next, PreparedFrame};

use super::frames::Prepared;
use super::outcome::Outcome;
use super::progress::Progress;
use super::served::ServedStream;
use crate::display::Display;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::suspend::Keeper;

/// Reason for dropping a frame while the model was busy.
const STALE: &str = "newer frames came while the model was busy";

/// Interval at which waiting for a frame checks for an interrupt.
const PATIENCE: Duration = Duration::from_millis(50);

/// A function that suspends a stream to its file.
type Keep<M> = fn(&Keeper, &ServedStream<M>, &Progress, &mut dyn TraceSink) -> Result<(), RunError>;

/// A stream with its input and the receivers of its events.
pub struct Drive<'a, M: StreamModel> {
    /// The stream.
    pub stream: &'a ServedStream<M>,
    /// Its frames, after those that `progress` counts.
    pub frames: &'a mut Delivery<Prepared<M::PreparedPicture>>,
    /// What to do if a frame cannot be read.
    pub on_corrupt_frame: OnCorruptFrame,
    /// How far the stream has come.
    pub progress: &'a mut Progress,
    /// Suspends the stream to a file from time to time.
    pub keeper: Option<&'a Keeper>,
    /// Ends the stream before its next frame.
    pub interrupt: &'a Interrupt,
    /// Whether a live stream that is interrupted has come to its end: it has no other.
    pub ends_live: bool,
    /// Receives the events.
    pub trace: &'a mut dyn TraceSink,
    /// Shows the run.
    pub display: &'a mut dyn Display,
}

impl<M: StreamModel> Drive<'_, M> {
    /// Processes every frame. Closes the trace in all cases.
    ///
    /// # Errors
    /// [`RunError::Interrupted`] after an interrupt that is not the end, or the first failure that ends the run.
    pub fn to_end(mut self) -> Result<Outcome, RunError> {
        let fed = match self.feed() {
            // Where no frame came, there is nothing to tell.
            Err(RunError::Interrupted) if self.ends_live && self.frames.is_live() => match self.progress.span
            {
                Some(_) => Ok(()),
                None => Err(RunError::Interrupted),
            },
            fed => fed,
        };
        let nothing = || RunError::NoFrames { source_name: self.frames.description().to_owned() };
        match fed.and_then(|()| self.progress.span.ok_or_else(nothing)) {
            Ok(span) => Ok(Outcome { statistics: self.stream.finish(self.trace)?, span }),
            Err(error) => {
                self.stream.fail(&error, self.trace)?;
                Err(error)
            }
        }
    }

    /// Suspends the stream to its file, if the run has one.
    fn keep(&mut self, keep: Keep<M>) -> Result<(), RunError> {
        let Some(keeper) = self.keeper else { return Ok(()) };
        // Events since the last frame belong to the suspended stream.
        self.stream.record_rest(self.trace)?;
        keep(keeper, self.stream, self.progress, self.trace)
    }

    fn feed(&mut self) -> Result<(), RunError> {
        loop {
            let next = self.frames.next(PATIENCE);
            if self.interrupt.is_given() {
                self.keep(Keeper::keep)?;
                return Err(RunError::Interrupted);
            }
            match next {
                Next::NotYet => continue,
                Next::End => break,
                Next::Item(Delivered::Dropped(frame)) => {
                    (self.progress.next_index, self.progress.last) = (frame.index + 1, Some(frame.time));
                    let frame = Some((frame.index, frame.time));
                    self.stream.aside(Aside::FrameLost { reason: STALE.to_owned(), frame }, self.trace)?;
                }
                Next::Item(Delivered::Frame(PreparedFrame { frame, picture }, arrival, queued)) => {
                    let arrival = arrival.map(|arrival| (arrival, queued));
                    let display = &mut *self.display;
                    let mut hears = |words: &str| display.words(&frame, words);
                    let reply = self.stream.frame(&frame, picture?, arrival, self.trace, &mut hears)?;
                    self.progress.span =
                        Some((self.progress.span.map_or(frame.time, |(first, _)| first), frame.time));
                    self.display.frame(&frame, reply.as_ref());
                    (self.progress.next_index, self.progress.last) = (frame.index + 1, Some(frame.time));
                }
                Next::Item(Delivered::Failed(error)) => {
                    let message = error.to_string();
                    let skips = self.on_corrupt_frame == OnCorruptFrame::Skip;
                    let aside = match error.aftermath() {
                        Aftermath::NextFrame if skips => {
                            Aside::FrameLost { reason: message.clone(), frame: None }
                        }
                        Aftermath::Resumed => Aside::SourceInterrupted(message.clone()),
                        Aftermath::Note if skips => Aside::SourceNote(message.clone()),
                        Aftermath::NextFrame | Aftermath::Note | Aftermath::End => return Err(error.into()),
                    };
                    self.stream.aside(aside, self.trace)?;
                    self.display.note(&message);
                }
            }
            self.progress.items += 1;
            self.keep(Keeper::keep_if_due)?;
        }
        Ok(())
    }
}
