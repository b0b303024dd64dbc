//! Pictures of frames that wait for the model, and their conversion to small JPEGs.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

use super::reply::Jpeg;

/// Most pictures that are kept. More frames rarely wait between a source and its model.
const MOST_PICTURES: usize = 64;
/// Longer side of a JPEG, in pixels.
const LONGEST_SIDE: u32 = 640;
const QUALITY: u8 = 80;

/// Pictures by frame number, in ascending order. They are shared with the frames and not copied.
#[derive(Debug, Default)]
pub(super) struct Pictures(Mutex<VecDeque<(usize, Arc<RgbImage>)>>);

impl Pictures {
    /// A poisoned lock is harmless: no code under it can panic halfway.
    fn lock(&self) -> MutexGuard<'_, VecDeque<(usize, Arc<RgbImage>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the picture of a frame.
    pub(super) fn keep(&self, frame: usize, picture: Arc<RgbImage>) {
        let mut kept = self.lock();
        if kept.len() >= MOST_PICTURES {
            kept.pop_front();
        }
        kept.push_back((frame, picture));
    }

    /// Removes the pictures of all frames up to this one, and returns the picture of this frame.
    pub(super) fn take(&self, frame: usize) -> Option<Arc<RgbImage>> {
        let mut kept = self.lock();
        let done = kept.partition_point(|(number, _)| *number <= frame);
        kept.drain(..done).next_back().filter(|(number, _)| *number == frame).map(|(_, picture)| picture)
    }

    /// Removes all pictures, because no frame follows.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

/// A picture as a JPEG of limited size; `None` if it has no pixels.
pub(super) fn jpeg(picture: &RgbImage) -> Option<Jpeg> {
    let longest = picture.width().max(picture.height());
    let small = (longest > LONGEST_SIDE).then(|| {
        let side = |length: u32| {
            let scaled = u64::from(length) * u64::from(LONGEST_SIDE) / u64::from(longest);
            u32::try_from(scaled).unwrap_or(LONGEST_SIDE).max(1)
        };
        imageops::thumbnail(picture, side(picture.width()), side(picture.height()))
    });
    let picture = small.as_ref().unwrap_or(picture);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture).ok()?;
    let (width, height) = picture.dimensions();
    Some(Jpeg { kind: "image/jpeg", width, height, data: STANDARD.encode(bytes) })
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
        assert!(pictures.lock().is_empty());
        (0..1000).for_each(|frame| pictures.keep(frame, picture(1)));
        assert_eq!(pictures.lock().len(), MOST_PICTURES);
        assert!(pictures.take(0).is_none() && pictures.take(999).is_some());
        pictures.keep(1000, picture(1));
        pictures.clear();
        assert!(pictures.take(1000).is_none());
    }

    #[test]
    fn a_large_picture_becomes_a_small_one_of_its_shape() {
        let of = |width, height| {
            let noise =
                RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
            let jpeg = jpeg(&noise).unwrap();
            let bytes = STANDARD.decode(&jpeg.data).unwrap();
            let read = image::load_from_memory(&bytes).unwrap();
            assert_eq!((read.width(), read.height()), (jpeg.width, jpeg.height));
            assert!(jpeg.data.len() < 1 << 19);
            (jpeg.width, jpeg.height)
        };
        assert_eq!(of(1600, 1200), (640, 480));
        assert_eq!(of(64, 48), (64, 48));
        assert_eq!(of(1, 5000), (1, 640));
    }
}
