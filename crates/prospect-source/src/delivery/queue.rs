//! The queue of frames between a source and the model, without a thread or a clock.

use std::collections::VecDeque;
use std::time::Instant;

use crate::{Frame, SourceError};

/// What happens if the source is faster than the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryPolicy {
    /// The source waits while this many frames wait.
    Block(usize),
    /// At most this many of the newest frames wait, and older ones are dropped.
    Newest(usize),
}

/// The arrival of a frame, and the moment by which the model should be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The moment at which the frame came. In real time, the moment at which it was due.
    pub at: Instant,
    /// The moment at which the next frame is due.
    pub deadline: Instant,
}

/// A frame that was dropped for newer frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DroppedFrame {
    /// The number of the frame.
    pub index: usize,
    /// The stream time of the frame in seconds.
    pub time: f64,
}

/// A frame and its prepared picture.
#[derive(Debug)]
pub struct PreparedFrame<P> {
    /// The frame from the source.
    pub frame: Frame,
    /// The result of preparing the picture.
    pub picture: P,
}

/// The next item of a source.
#[derive(Debug)]
pub enum Delivered<P> {
    /// A frame, its arrival if the stream has a pace of its own, and the number of frames that wait behind
    /// it.
    Frame(PreparedFrame<P>, Option<Arrival>, usize),
    /// A frame that was dropped because the model was busy.
    Dropped(DroppedFrame),
    /// An error that came in the place of a frame.
    Failed(SourceError),
}

enum Waiting<P> {
    Frame(PreparedFrame<P>, Option<Arrival>),
    Dropped(DroppedFrame),
    Failed(SourceError),
}

/// All items in the order in which they came.
pub(super) struct FrameQueue<P> {
    policy: DeliveryPolicy,
    items: VecDeque<Waiting<P>>,
    /// The number of items that are frames.
    frames: usize,
}

impl<P> FrameQueue<P> {
    pub(super) fn new(policy: DeliveryPolicy) -> Self {
        Self { policy, items: VecDeque::new(), frames: 0 }
    }

    /// Whether the source may read the next frame.
    pub(super) fn has_room(&self) -> bool {
        match self.policy {
            DeliveryPolicy::Block(most) => self.items.len() < most.max(1),
            DeliveryPolicy::Newest(_) => true,
        }
    }

    pub(super) fn push(&mut self, item: Result<PreparedFrame<P>, SourceError>, arrival: Option<Arrival>) {
        match item {
            Ok(frame) => {
                self.items.push_back(Waiting::Frame(frame, arrival));
                self.frames += 1;
                if let DeliveryPolicy::Newest(most) = self.policy
                    && self.frames > most.max(1)
                {
                    self.drop_oldest();
                }
            }
            Err(error) => self.items.push_back(Waiting::Failed(error)),
        }
    }

    /// Drops the oldest frame. The dropped frame keeps its place in the queue, so that the items stay in
    /// order.
    fn drop_oldest(&mut self) {
        let oldest = self.items.iter_mut().find_map(|item| match item {
            Waiting::Frame(PreparedFrame { frame, .. }, _) => {
                let dropped = DroppedFrame { index: frame.index, time: frame.time };
                *item = Waiting::Dropped(dropped);
                Some(())
            }
            Waiting::Dropped(_) | Waiting::Failed(_) => None,
        });
        self.frames -= usize::from(oldest.is_some());
    }

    pub(super) fn pop(&mut self) -> Option<Delivered<P>> {
        Some(match self.items.pop_front()? {
            Waiting::Frame(frame, arrival) => {
                self.frames -= 1;
                Delivered::Frame(frame, arrival, self.frames)
            }
            Waiting::Dropped(frame) => Delivered::Dropped(frame),
            Waiting::Failed(error) => Delivered::Failed(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use proptest::prelude::*;

    use super::*;

    fn frame(index: usize) -> PreparedFrame<()> {
        let image = RgbImage::new(1, 1);
        let frame = Frame { index, time: index as f64 / 2.0, image: image.into(), name: None };
        PreparedFrame { frame, picture: () }
    }

    fn lost(index: usize) -> SourceError {
        SourceError::NotFound { path: index.to_string().into() }
    }

    /// `f3` a frame with what waits behind it, `-2` a dropped one, `!4` a failure.
    fn told(item: Delivered<()>) -> String {
        match item {
            Delivered::Frame(PreparedFrame { frame, .. }, _, behind) => format!("f{}+{behind}", frame.index),
            Delivered::Dropped(frame) => format!("-{}", frame.index),
            Delivered::Failed(error) => format!("!{}", error.to_string().split(':').next().unwrap()),
        }
    }

    fn drain(queue: &mut FrameQueue<()>) -> Vec<String> {
        std::iter::from_fn(|| queue.pop()).map(told).collect()
    }

    #[test]
    fn a_slow_model_sees_the_newest() {
        let mut latest = FrameQueue::new(DeliveryPolicy::Newest(1));
        latest.push(Ok(frame(0)), None);
        assert_eq!(drain(&mut latest), ["f0+0"]);
        (1..5).for_each(|index| latest.push(Ok(frame(index)), None));
        assert_eq!(drain(&mut latest), ["-1", "-2", "-3", "f4+0"]);
        let mut three = FrameQueue::new(DeliveryPolicy::Newest(3));
        (0..2).for_each(|index| three.push(Ok(frame(index)), None));
        three.push(Err(lost(2)), None);
        (3..6).for_each(|index| three.push(Ok(frame(index)), None));
        assert_eq!(drain(&mut three), ["-0", "-1", "!2", "f3+2", "f4+1", "f5+0"]);
    }

    proptest! {
        /// Whatever the order in which source and model have their turns.
        #[test]
        fn everything_comes_once_and_in_order(
            newest in prop::option::of(1usize..6), block in 1usize..4, turns in prop::collection::vec(0u8..5, 0..200),
        ) {
            let policy = newest.map_or(DeliveryPolicy::Block(block), DeliveryPolicy::Newest);
            let mut queue = FrameQueue::new(policy);
            let (mut pushed, mut seen, mut dropped, mut given) = (0, Vec::new(), 0, 0);
            let mut take = |queue: &mut FrameQueue<()>, given: &mut usize| {
                match queue.pop() {
                    Some(Delivered::Frame(PreparedFrame { frame, .. }, _, behind)) => {
                        *given += 1;
                        assert!(newest.is_none_or(|most| behind < most));
                        seen.push(frame.index);
                    }
                    Some(Delivered::Dropped(frame)) => {
                        assert_eq!(frame.time, frame.index as f64 / 2.0);
                        dropped += 1;
                        seen.push(frame.index);
                    }
                    Some(Delivered::Failed(error)) => {
                        seen.push(error.to_string().split(':').next().unwrap().parse().unwrap());
                    }
                    None => return false,
                }
                true
            };
            for turn in turns {
                match turn {
                    0..=2 if !queue.has_room() => prop_assert!(newest.is_none()),
                    0 | 1 => {
                        queue.push(Ok(frame(pushed)), None);
                        pushed += 1;
                    }
                    2 => {
                        queue.push(Err(lost(pushed)), None);
                        pushed += 1;
                    }
                    _ => drop(take(&mut queue, &mut given)),
                }
                prop_assert!(queue.frames <= newest.unwrap_or(block));
            }
            while take(&mut queue, &mut given) {}
            prop_assert_eq!(seen, (0..pushed).collect::<Vec<_>>());
            prop_assert!(newest.is_some() || dropped == 0);
        }
    }
}
