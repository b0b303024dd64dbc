//! Sampling to a constant rate by time stamps. All sources with time stamps follow the same rule, whether
//! they are built in or read through ffmpeg.
//!
//! Slot k is the time `start + k / fps`. Its frame is the latest frame whose time stamp is not after that
//! time. The slots begin at the time stamp of the first frame, and end before the end of the last one (its
//! time stamp plus its duration): a slot exactly at the end shows nothing. Times that differ by less than
//! [`TOLERANCE`] are equal. `end` and `max_frames` are applied afterwards. If the duration of the last frame
//! is not known, the frame is shown only in a slot exactly at its time stamp.

use std::sync::Arc;

use image::RgbImage;

use super::{Frame, FrameSource, SourceError, SourceOptions};

/// Time stamps come from integer ticks. A difference below this is a rounding error.
pub(super) const TOLERANCE: f64 = 1e-6;

/// A decoded picture that is converted to RGB only if it is sampled.
pub(super) trait Picture: Send {
    fn rgb(&self) -> RgbImage;

    /// The picture as RGB, to be shared by the frames that show it.
    fn shared(&self) -> Arc<RgbImage> {
        Arc::new(self.rgb())
    }
}

impl Picture for RgbImage {
    fn rgb(&self) -> RgbImage {
        self.clone()
    }
}

impl Picture for Arc<RgbImage> {
    fn rgb(&self) -> RgbImage {
        RgbImage::clone(self)
    }

    fn shared(&self) -> Arc<RgbImage> {
        Arc::clone(self)
    }
}

/// A picture with its time stamp and its duration, in seconds.
pub(super) struct Timed<P> {
    pub(super) time: f64,
    pub(super) duration: f64,
    pub(super) picture: P,
}

/// Pictures in the order of their time stamps.
pub(super) trait Pictures: Send {
    type Picture: Picture;
    fn next_picture(&mut self) -> Option<Result<Timed<Self::Picture>, SourceError>>;

    /// Jumps forward, before the first picture was read, to a picture that is shown at `time` or earlier and
    /// after which all later pictures can be decoded. Returns the time of the very first picture. `None` if
    /// that is not known; nothing is skipped then.
    fn jump(&mut self, time: f64) -> Option<f64> {
        let _ = time;
        None
    }
}

/// The frame at `start + k / fps` is the latest picture whose time stamp is not after it.
pub(super) struct Sampled<D: Pictures> {
    decoder: D,
    options: SourceOptions,
    length: Option<usize>,
    description: String,
    held: Option<Timed<D::Picture>>,
    /// The RGB picture of `held`, after a frame has used it.
    shown: Option<Arc<RgbImage>>,
    ahead: Option<Timed<D::Picture>>,
    finished: bool,
    slot: usize,
    index: usize,
}

impl<D: Pictures> Sampled<D> {
    pub(super) fn new(
        decoder: D,
        options: SourceOptions,
        length: Option<usize>,
        description: String,
    ) -> Self {
        let (held, shown, ahead) = (None, None, None);
        Self { decoder, options, length, description, held, shown, ahead, finished: false, slot: 0, index: 0 }
    }

    /// Advances to the next sampled picture, which is then in `held`. Returns its time.
    fn advance(&mut self) -> Option<Result<f64, SourceError>> {
        loop {
            let target = self.options.start + self.slot as f64 / self.options.fps;
            let enough = self.options.max_frames.is_some_and(|most| self.index >= most);
            if enough || self.options.end.is_some_and(|end| target >= end - TOLERANCE) {
                return None;
            }
            if self.ahead.is_none() && !self.finished {
                match self.decoder.next_picture() {
                    Some(Ok(picture)) => self.ahead = Some(picture),
                    Some(Err(error)) => return Some(Err(error)),
                    None => self.finished = true,
                }
            }
            match (&self.ahead, &self.held) {
                (Some(ahead), _) if ahead.time <= target + TOLERANCE => {
                    (self.held, self.shown) = (self.ahead.take(), None);
                }
                (Some(_), Some(_)) => return Some(Ok(self.emit(target))),
                // Nothing was on the screen yet: go to the first slot at which something is.
                (Some(ahead), None) => self.slot = self.first_slot(ahead.time).max(self.slot + 1),
                (None, Some(held)) if visible(held.time, held.duration, target) => {
                    return Some(Ok(self.emit(target)));
                }
                (None, _) => return None,
            }
        }
    }

    fn first_slot(&self, time: f64) -> usize {
        first_slot(time, self.options)
    }

    fn emit(&mut self, target: f64) -> f64 {
        self.slot += 1;
        self.index += 1;
        target
    }
}

/// Whether the last picture is still shown at `target`.
fn visible(time: f64, duration: f64, target: f64) -> bool {
    target <= time + TOLERANCE || target < time + duration - TOLERANCE
}

impl<D: Pictures> FrameSource for Sampled<D> {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let time = match self.advance()? {
            Ok(time) => time,
            Err(error) => return Some(Err(error)),
        };
        let held = self.held.as_ref()?;
        let image = Arc::clone(self.shown.get_or_insert_with(|| held.picture.shared()));
        Some(Ok(Frame { index: self.index - 1, time, image, name: None }))
    }

    /// Skips pictures. They are decoded, because later pictures need them, but not converted to RGB.
    fn skip(&mut self, items: usize) -> usize {
        (0..items).take_while(|_| self.advance().is_some()).count()
    }

    fn skip_whole(&mut self, items: usize) -> usize {
        // The last of them is taken, so that it is held where the next one shows the same picture.
        let Some(passed) = items.checked_sub(1) else { return 0 };
        // Wherever the first slot is, it is not before `start`.
        let at_least = self.options.start + passed as f64 / self.options.fps;
        let Some(first) = self.decoder.jump(at_least) else { return self.skip(items) };
        (self.slot, self.index) = (self.first_slot(first) + passed, passed);
        passed + self.skip(1)
    }

    fn length(&self) -> Option<usize> {
        self.length
    }

    fn description(&self) -> &str {
        &self.description
    }
}

/// The number of frames that are sampled from pictures at `times` (sorted; the last one is shown until
/// `end`).
pub(super) fn count(times: &[f64], end: f64, options: SourceOptions) -> usize {
    let (Some(begin), Some(last)) = (times.first(), times.last()) else { return 0 };
    let target = |slot: usize| options.start + slot as f64 / options.fps;
    let shows = |slot: usize| {
        visible(*last, end - last, target(slot))
            && options.end.is_none_or(|end| target(slot) < end - TOLERANCE)
    };
    let first = first_slot(*begin, options);
    // Computed, since a gap may be years, and then corrected for rounding.
    let until = options.end.map_or(end.max(*last), |latest| latest.min(end.max(*last)));
    let mut slots = (((until - options.start) * options.fps).ceil().max(0.0) as usize).max(first) - first;
    while slots > 0 && !shows(first + slots - 1) {
        slots -= 1;
    }
    while slots < usize::MAX - first && shows(first + slots) {
        slots += 1;
    }
    slots.min(options.max_frames.unwrap_or(usize::MAX))
}

/// The first slot that is not before `time`.
fn first_slot(time: f64, options: SourceOptions) -> usize {
    ((time - TOLERANCE - options.start) * options.fps).ceil().max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Grey<I>(I, u8);
    impl<I: Iterator<Item = (f64, f64)> + Send> Pictures for Grey<I> {
        type Picture = RgbImage;
        fn next_picture(&mut self) -> Option<Result<Timed<RgbImage>, SourceError>> {
            let (time, duration) = self.0.next()?;
            let picture = RgbImage::from_pixel(1, 1, image::Rgb([self.1; 3]));
            self.1 = self.1.wrapping_add(1);
            Some(Ok(Timed { time, duration, picture }))
        }
    }

    fn sample(times: &[(f64, f64)], options: SourceOptions) -> Vec<(f64, u8)> {
        let mut source = Sampled::new(Grey(times.iter().copied(), 0), options, None, String::new());
        std::iter::from_fn(|| source.next_frame())
            .map(|frame| frame.unwrap())
            .map(|frame| (frame.time, frame.image.get_pixel(0, 0).0[0]))
            .collect()
    }

    #[test]
    fn constant_rate_takes_the_frame_on_time() {
        let times: Vec<_> = (0..30).map(|k| (f64::from(k) / 10.0, 0.1)).collect();
        assert_eq!(
            sample(&times, SourceOptions::at(2.0)),
            [(0.0, 0), (0.5, 5), (1.0, 10), (1.5, 15), (2.0, 20), (2.5, 25)]
        );
    }

    #[test]
    fn start_end_and_max_frames_cut() {
        let times: Vec<_> = (0..30).map(|k| (f64::from(k) / 10.0, 0.1)).collect();
        let options = SourceOptions { fps: 2.0, start: 1.0, end: Some(2.5), max_frames: None };
        assert_eq!(sample(&times, options), [(1.0, 10), (1.5, 15), (2.0, 20)]);
        assert_eq!(sample(&times, SourceOptions { max_frames: Some(1), ..options }), [(1.0, 10)]);
    }

    #[test]
    fn a_slot_on_the_end_shows_nothing() {
        let times: Vec<_> = (0..20).map(|k| (f64::from(k) / 10.0, 0.1)).collect();
        assert_eq!(sample(&times, SourceOptions::at(2.0)).len(), 4);
        // Less than the tolerance is rounding, on both sides of it.
        for end in [2.0 - 1e-7, 2.0, 2.0 + 1e-7] {
            assert_eq!(sample(&[(0.0, end)], SourceOptions::at(2.0)).len(), 4);
            assert_eq!(count(&[0.0], end, SourceOptions::at(2.0)), 4);
        }
        assert_eq!(count(&[0.0], 2.001, SourceOptions::at(2.0)), 5);
        assert_eq!(count(&[], 2.0, SourceOptions::at(2.0)), 0);
    }

    #[test]
    fn years_are_counted_without_waiting_for_them() {
        assert_eq!(count(&[0.0, 1e9], 1e9 + 0.5, SourceOptions::at(2.0)), 2_000_000_001);
        let cut = SourceOptions { end: Some(30.0), max_frames: Some(40), ..SourceOptions::at(2.0) };
        assert_eq!(count(&[1e-3, 1e9], 1e9 + 0.5, cut), 40);
    }

    #[test]
    fn frames_that_show_one_picture_share_it() {
        let times = [(0.0, 1.0), (1.0, 1.0)];
        let mut source =
            Sampled::new(Grey(times.into_iter(), 0), SourceOptions::at(2.0), None, String::new());
        let images: Vec<_> =
            std::iter::from_fn(|| source.next_frame()).map(|frame| frame.unwrap().image).collect();
        assert_eq!(images.len(), 4);
        assert!(Arc::ptr_eq(&images[0], &images[1]) && Arc::ptr_eq(&images[2], &images[3]));
        assert!(images[1] != images[2]);
    }

    #[test]
    fn a_single_frame_is_one_frame() {
        assert_eq!(sample(&[(0.0, 0.0)], SourceOptions::at(2.0)), [(0.0, 0)]);
    }

    proptest! {
        #[test]
        fn every_sample_is_the_latest_not_after_it(
            steps in prop::collection::vec(1u32..900, 1..60), fps in 1u32..9, offset in 0u32..2000,
        ) {
            let mut now = offset;
            let mut times = Vec::new();
            for step in &steps {
                times.push((f64::from(now) / 1000.0, f64::from(*step) / 1000.0));
                now += step;
            }
            let options = SourceOptions::at(f64::from(fps));
            let frames = sample(&times, options);
            for (time, shown) in &frames {
                let latest = times.iter().rposition(|(at, _)| *at <= time + TOLERANCE).unwrap();
                prop_assert_eq!(latest, usize::from(*shown));
            }
            for pair in frames.windows(2) {
                prop_assert!((pair[1].0 - pair[0].0 - 1.0 / f64::from(fps)).abs() < 1e-9);
            }
            let starts: Vec<_> = times.iter().map(|(at, _)| *at).collect();
            prop_assert_eq!(count(&starts, f64::from(now) / 1000.0, options), frames.len());
        }
    }
}
