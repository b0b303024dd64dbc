//! Time stamps by arrival, for sources whose own time stamps do not continue over a reconnect.

use std::sync::Arc;

use crate::stamps::Stamps;
use crate::{Behind, Clock, Frame, FrameSource, SourceError, SourceOptions};

/// A live source with time stamps by arrival. The first frame is at 0, or directly behind the stream that it
/// continues. Every other frame is as much later as it came. Begin, end and number of frames apply to the
/// whole stream.
pub(crate) struct Stamped {
    frames: Box<dyn FrameSource>,
    options: SourceOptions,
    stamps: Stamps,
    clock: Arc<dyn Clock>,
    index: usize,
}

impl Stamped {
    pub(crate) fn new(
        frames: Box<dyn FrameSource>,
        options: SourceOptions,
        Behind { index, time: begins }: Behind,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { frames, options, stamps: Stamps::new(begins), clock, index }
    }
}

impl FrameSource for Stamped {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        loop {
            if self.options.max_frames.is_some_and(|most| self.index >= most) {
                return None;
            }
            let frame = match self.frames.next_frame()? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(error)),
            };
            let time = self.stamps.arrived(self.clock.now());
            if self.options.end.is_some_and(|end| time >= end) {
                return None;
            }
            if time >= self.options.start {
                self.index += 1;
                return Some(Ok(Frame { index: self.index - 1, time, ..frame }));
            }
        }
    }

    fn length(&self) -> Option<usize> {
        None
    }

    fn description(&self) -> &str {
        self.frames.description()
    }

    fn is_live(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use image::RgbImage;
    use proptest::prelude::*;

    use super::*;
    use crate::StopSignal;
    use crate::clock::ManualClock;

    /// Every frame comes so many milliseconds after the one before it.
    struct Gaps(std::vec::IntoIter<u64>, Arc<ManualClock>);

    impl FrameSource for Gaps {
        fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
            let gap = self.0.next()?;
            self.1.wait_until(self.1.now() + Duration::from_millis(gap), &StopSignal::default());
            Some(Ok(Frame { index: 0, time: 0.0, image: RgbImage::new(1, 1).into(), name: None }))
        }
        fn length(&self) -> Option<usize> {
            None
        }
        fn description(&self) -> &str {
            "gaps"
        }
    }

    fn stamps(gaps: Vec<u64>, options: SourceOptions) -> Vec<(usize, f64)> {
        let clock = Arc::new(ManualClock::new());
        let source = Gaps(gaps.into_iter(), Arc::clone(&clock));
        let mut stamped = Stamped::new(Box::new(source), options, Behind::default(), clock);
        std::iter::from_fn(|| stamped.next_frame()).map(Result::unwrap).map(|f| (f.index, f.time)).collect()
    }

    #[test]
    fn start_end_and_max_frames_count_from_the_first_frame() {
        let options = SourceOptions { start: 0.5, end: Some(2.0), ..SourceOptions::at(2.0) };
        assert_eq!(stamps(vec![900, 400, 100, 600, 500, 400], options), [(0, 0.5), (1, 1.1), (2, 1.6)]);
        let options = SourceOptions { max_frames: Some(2), ..SourceOptions::at(2.0) };
        assert_eq!(stamps(vec![900, 400, 100], options), [(0, 0.0), (1, 0.4)]);
    }

    proptest! {
        #[test]
        fn time_stamps_rise_and_follow_the_clock(gaps in prop::collection::vec(prop_oneof![Just(0u64), 0u64..900], 1..60)) {
            let stamps = stamps(gaps.clone(), SourceOptions::at(2.0));
            prop_assert_eq!(stamps.len(), gaps.len());
            let mut arrived = 0.0;
            for (index, pair) in stamps.windows(2).enumerate() {
                prop_assert!(pair[1].1 > pair[0].1);
                arrived += gaps[index + 1] as f64 / 1e3;
                prop_assert!(pair[1].1 >= arrived - 1e-9 && pair[1].1 <= arrived + 0.061);
            }
        }
    }

    #[test]
    fn a_stream_that_goes_on_is_one_stream() {
        let given = |options: SourceOptions, behind: Behind| {
            let clock = Arc::new(ManualClock::new());
            let source = Gaps(vec![0, 500, 500, 500, 500, 500].into_iter(), Arc::clone(&clock));
            let mut stamped = Stamped::new(Box::new(source), options, behind, clock);
            let next =
                || stamped.next_frame().map(|frame| frame.unwrap()).map(|frame| (frame.index, frame.time));
            std::iter::from_fn(next).collect::<Vec<_>>()
        };
        let behind = Behind { index: 7, time: 30.0 };
        let all = SourceOptions::at(2.0);
        assert_eq!(given(all, behind)[..2], [(7, 30.0), (8, 30.5)]);
        assert_eq!(given(SourceOptions { max_frames: Some(9), ..all }, behind).len(), 2);
        assert_eq!(given(SourceOptions { end: Some(31.0), ..all }, behind).len(), 2);
        // It has begun long since.
        assert_eq!(given(SourceOptions { start: 20.0, ..all }, behind).len(), 6);
    }
}
