//! The thread and its queue. A gate, not a clock, decides who comes first.

use std::sync::mpsc::{Receiver, Sender, channel};

use image::RgbImage;

use super::*;
use crate::clock::ManualClock;
use crate::{Frame, SourceError};

/// Gives a frame for every word it gets, and says before that whatever it gave until then was taken in.
struct Gated {
    go: Receiver<()>,
    asked: Sender<usize>,
    given: usize,
}

impl FrameSource for Gated {
    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        self.asked.send(self.given).ok()?;
        self.go.recv().ok()?;
        let index = self.given;
        self.given += 1;
        Some(Ok(Frame { index, time: index as f64 / 2.0, image: RgbImage::new(1, 1).into(), name: None }))
    }
    fn length(&self) -> Option<usize> {
        Some(7)
    }
    fn description(&self) -> &str {
        "gated"
    }
}

fn prepare() -> Prepare<()> {
    Box::new(|_| ())
}

struct Stage {
    delivery: Delivery<()>,
    go: Sender<()>,
    asked: Receiver<usize>,
}

impl Stage {
    fn new(policy: DeliveryPolicy) -> Self {
        let ((go, gate), (word, asked)) = (channel(), channel());
        let source = Gated { go: gate, asked: word, given: 0 };
        let pace = (Pace::Live, Duration::from_millis(500));
        let clock = Arc::new(ManualClock::new());
        let delivery =
            Delivery::with_clock(Box::new(source), prepare(), policy, pace, StopSignal::default(), clock)
                .unwrap();
        Self { delivery, go, asked }
    }

    /// Lets so many frames come, and waits until they have.
    fn come(&self, frames: usize) {
        (0..frames).for_each(|_| self.go.send(()).unwrap());
    }

    /// Waits until the source is asked for this frame: those before it lie in the queue.
    fn settled(&self, frame: usize) {
        while self.asked.recv().unwrap() < frame {}
    }

    fn take(&mut self) -> String {
        match self.delivery.next(Duration::from_secs(60)) {
            Next::Item(Delivered::Frame(PreparedFrame { frame, .. }, arrival, behind)) => {
                assert!(arrival.is_some());
                format!("f{}+{behind}", frame.index)
            }
            Next::Item(Delivered::Dropped(frame)) => format!("-{}", frame.index),
            other => format!("{other:?}"),
        }
    }

    fn end(self) -> Vec<String> {
        let Self { mut delivery, go, .. } = self;
        drop(go);
        let mut rest = Vec::new();
        loop {
            match delivery.next(Duration::from_secs(60)) {
                Next::Item(item) => rest.push(format!("{item:?}")),
                Next::End => return rest,
                Next::NotYet => panic!("the source is over"),
            }
        }
    }
}

#[test]
fn a_busy_model_gets_the_latest_frame() {
    let mut stage = Stage::new(DeliveryPolicy::Newest(1));
    stage.come(1);
    assert_eq!(stage.take(), "f0+0");
    stage.come(4);
    stage.settled(5);
    assert_eq!([stage.take(), stage.take(), stage.take(), stage.take()], ["-1", "-2", "-3", "f4+0"]);
    assert!(matches!(stage.delivery.next(Duration::ZERO), Next::NotYet));
    assert!(stage.end().is_empty());
}

#[test]
fn a_busy_model_gets_the_frames_that_fit_the_queue() {
    let mut stage = Stage::new(DeliveryPolicy::Newest(2));
    stage.come(4);
    stage.settled(4);
    assert_eq!([stage.take(), stage.take(), stage.take()], ["-0", "-1", "f2+1"]);
    stage.come(1);
    stage.settled(5);
    assert_eq!([stage.take(), stage.take()], ["f3+1", "f4+0"]);
    assert!(stage.end().is_empty());
}

#[test]
fn a_source_that_blocks_waits_for_the_model() {
    let mut stage = Stage::new(DeliveryPolicy::Block(2));
    stage.come(7);
    // Two lie in the queue; the third was asked for and has no room.
    stage.settled(2);
    let taken: Vec<String> = (0..7).map(|_| stage.take()).collect();
    let frames: Vec<&str> = taken.iter().map(|frame| &frame[..2]).collect();
    assert_eq!(frames, ["f0", "f1", "f2", "f3", "f4", "f5", "f6"]);
    assert!(stage.end().is_empty());
}

#[test]
fn a_panic_in_a_source_is_not_its_end() {
    struct Broken;
    impl FrameSource for Broken {
        fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
            panic!("a decoder's mistake")
        }
        fn length(&self) -> Option<usize> {
            None
        }
        fn description(&self) -> &str {
            "broken"
        }
    }
    let interval = Duration::from_millis(500);
    let (policy, stop) = (DeliveryPolicy::Block(2), StopSignal::default());
    let mut delivery =
        Delivery::start(Box::new(Broken), prepare(), policy, Pace::Model, interval, stop).unwrap();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| delivery.next(Duration::from_secs(60))));
    assert!(caught.is_err());
}

#[test]
fn dropped_early_it_ends_a_source_that_blocks() {
    let stage = Stage::new(DeliveryPolicy::Block(1));
    stage.come(5);
    stage.settled(1);
    drop(stage.delivery);
    drop(stage.go);
}
