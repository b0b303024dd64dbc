//! Pictures of frames that wait for the model.

use std::collections::VecDeque;
use std::sync::Arc;

use image::RgbImage;

use crate::mutex::Mutex;

/// Most pictures that are kept. More frames rarely wait between a source and its model.
const MOST_PICTURES: usize = 64;

/// Pictures by frame number, in ascending order. They are shared with the frames and not copied.
#[derive(Debug, Default)]
pub(super) struct Pictures(Mutex<VecDeque<(usize, Arc<RgbImage>)>>);

impl Pictures {
    /// Keeps the picture of a frame.
    pub(super) fn keep(&self, frame: usize, picture: Arc<RgbImage>) {
        let mut kept = self.0.lock();
        if kept.len() >= MOST_PICTURES {
            kept.pop_front();
        }
        kept.push_back((frame, picture));
    }

    /// Removes the pictures of all frames up to this one, and returns the picture of this frame.
    pub(super) fn take(&self, frame: usize) -> Option<Arc<RgbImage>> {
        let mut kept = self.0.lock();
        let done = kept.partition_point(|(number, _)| *number <= frame);
        kept.drain(..done).next_back().filter(|(number, _)| *number == frame).map(|(_, picture)| picture)
    }

    /// Removes all pictures, because no frame follows.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_done_takes_its_picture_and_those_before_with_it() {
        let pictures = Pictures::default();
        let picture = |side| Arc::new(RgbImage::new(side, 1));
        (3..7).for_each(|frame| pictures.keep(frame, picture(frame as u32)));
        assert_eq!(pictures.take(4).unwrap().width(), 4);
        assert!(pictures.take(3).is_none() && pictures.take(4).is_none());
        assert_eq!(pictures.take(6).unwrap().width(), 6);
        assert!(pictures.0.lock().is_empty());
        (0..1000).for_each(|frame| pictures.keep(frame, picture(1)));
        assert_eq!(pictures.0.lock().len(), MOST_PICTURES);
        assert!(pictures.take(0).is_none() && pictures.take(999).is_some());
        pictures.keep(1000, picture(1));
        pictures.clear();
        assert!(pictures.take(1000).is_none());
    }
}
