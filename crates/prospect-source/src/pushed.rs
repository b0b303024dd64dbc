//! A source into which frames are pushed, one at a time. They have time stamps of their own, or are stamped
//! on arrival.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::error::SourceError;
use crate::frame::{Frame, FrameSource};
use crate::input::Behind;
use crate::stamps::Stamps;
use crate::stop::StopSignal;

/// The interval at which a waiting source checks whether it still has to wait.
const POLL: Duration = Duration::from_millis(50);

/// The reason why a frame is not taken.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PushError {
    /// Too many frames wait already.
    #[error("{waiting} frames wait already: expected the next one once the model has taken some of them")]
    Full {
        /// The number of frames that wait.
        waiting: usize,
    },
    /// The source has ended.
    #[error("the stream has come to its end: expected no frame behind it")]
    Ended,
    /// The time stamp is not after the one before.
    #[error(
        "the time stamp {time}: expected a finite number of seconds greater than {last}, the frame's before"
    )]
    NotLater {
        /// The time stamp in seconds.
        time: f64,
        /// The time stamp before it in seconds.
        last: f64,
    },
}

/// Pushes frames into a source. Clones push into the same source.
#[derive(Debug, Clone)]
pub struct FramePusher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    most: usize,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<Frame>,
    next_index: usize,
    stamps: Stamps,
    ended: bool,
}

impl Shared {
    /// Locks the state. Poisoning is ignored, because no code under the lock panics half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a source of pushed frames. At most `most` frames wait in it. It ends with [`FramePusher::end`], or
/// when `stop` is given. A stream that continues begins `behind` its former position.
pub fn pushed(
    description: &str,
    behind: Behind,
    most: usize,
    stop: &StopSignal,
) -> (FramePusher, Box<dyn FrameSource>) {
    let state = State {
        frames: VecDeque::new(),
        next_index: behind.index,
        stamps: Stamps::new(behind.time),
        ended: false,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), most: most.max(1) });
    let source =
        Pushed { shared: Arc::clone(&shared), stop: stop.clone(), description: description.to_owned() };
    (FramePusher(shared), Box::new(source))
}

impl FramePusher {
    /// Pushes a picture with its stream time in seconds, or with the time of its arrival, counted from the
    /// first frame. Returns the number and the time of the frame.
    ///
    /// # Errors
    /// Any [`PushError`]. The picture was not taken then.
    pub fn push(&self, image: Arc<RgbImage>, time: Option<f64>) -> Result<(usize, f64), PushError> {
        let now = Instant::now();
        let mut state = self.0.lock();
        if state.ended {
            return Err(PushError::Ended);
        }
        if state.frames.len() >= self.0.most {
            return Err(PushError::Full { waiting: state.frames.len() });
        }
        let time = match time {
            Some(time) => state.stamps.given(time).map_err(|last| PushError::NotLater { time, last })?,
            None => state.stamps.arrived(now),
        };
        let index = state.next_index;
        state.next_index += 1;
        state.frames.push_back(Frame { index, time, image, name: None });
        drop(state);
        self.0.changed.notify_all();
        Ok((index, time))
    }

    /// Ends the source. Frames that wait are still delivered.
    pub fn end(&self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

/// The reading end.
struct Pushed {
    shared: Arc<Shared>,
    stop: StopSignal,
    description: String,
}

impl FrameSource for Pushed {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let mut state = self.shared.lock();
        loop {
            if self.stop.is_stopped() {
                state.ended = true;
                return None;
            }
            if let Some(frame) = state.frames.pop_front() {
                return Some(Ok(frame));
            }
            if state.ended {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn is_live(&self) -> bool {
        true
    }
}

impl Drop for Pushed {
    /// Tells the pushers that the source has ended.
    fn drop(&mut self) {
        self.shared.lock().ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Arc<RgbImage> {
        Arc::new(RgbImage::new(1, 1))
    }

    #[test]
    fn frames_come_out_as_they_went_in_and_no_more_wait_than_may() {
        let (pusher, mut source) =
            pushed("pushed", Behind { index: 7, time: 3.5 }, 2, &StopSignal::default());
        assert_eq!(pusher.push(picture(), Some(3.5)), Ok((7, 3.5)));
        assert_eq!(pusher.push(picture(), Some(4.0)), Ok((8, 4.0)));
        assert_eq!(pusher.push(picture(), Some(4.5)), Err(PushError::Full { waiting: 2 }));
        let first = source.next_frame().unwrap().unwrap();
        assert_eq!((first.index, first.time), (7, 3.5));
        // A frame that was not taken has no number.
        assert_eq!(pusher.push(picture(), Some(5.0)), Ok((9, 5.0)));
        pusher.end();
        assert_eq!(pusher.push(picture(), None), Err(PushError::Ended));
        let rest: Vec<usize> =
            std::iter::from_fn(|| source.next_frame()).map(|frame| frame.unwrap().index).collect();
        assert_eq!(rest, [8, 9]);
    }

    #[test]
    fn time_goes_on() {
        let (pusher, _source) = pushed("pushed", Behind::default(), 9, &StopSignal::default());
        assert!(matches!(pusher.push(picture(), Some(f64::NAN)), Err(PushError::NotLater { .. })));
        assert_eq!(pusher.push(picture(), Some(0.0)), Ok((0, 0.0)));
        for wrong in [0.0, -1.0, f64::INFINITY] {
            assert!(matches!(
                pusher.push(picture(), Some(wrong)),
                Err(PushError::NotLater { last: 0.0, .. })
            ));
        }
        let (_, stamped) = pusher.push(picture(), None).unwrap();
        let (_, later) = pusher.push(picture(), None).unwrap();
        assert!(0.0 < stamped && stamped < later && later < 60.0);
        // What was stamped as it came goes on behind a stamp that was given.
        pusher.push(picture(), Some(100.0)).unwrap();
        assert!(pusher.push(picture(), None).unwrap().1 > 100.0);
    }

    #[test]
    fn who_waits_hears_the_end_and_who_pushes_hears_that_nobody_takes() {
        let stop = StopSignal::default();
        let (pusher, mut source) = pushed("pushed", Behind::default(), 1, &stop);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| source.next_frame().is_none());
            stop.stop();
            assert!(waiting.join().unwrap());
        });
        assert_eq!(pusher.push(picture(), None), Err(PushError::Ended));
        let (pusher, source) = pushed("pushed", Behind::default(), 1, &StopSignal::default());
        drop(source);
        assert_eq!(pusher.push(picture(), None), Err(PushError::Ended));
    }
}
