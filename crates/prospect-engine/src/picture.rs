//! The work on a picture before its turn, on the thread that reads it: everything that needs no cache.

use prospect_processor::RgbImage;
use prospect_session::{Fingerprint, THUMBNAIL_SIDE, Thumbnail};
use sha2::{Digest, Sha256};

/// The SHA-256 of a picture's size and pixels. A session compares it in place of the picture.
pub fn fingerprint_of(image: &RgbImage) -> Fingerprint {
    let mut digest = Sha256::new();
    digest.update(image.width().to_le_bytes());
    digest.update(image.height().to_le_bytes());
    digest.update(image.as_raw());
    Fingerprint(digest.finalize().into())
}

/// Samples along each side of a block of a thumbnail. 64 samples suppress most of a sensor's noise, and their
/// cost does not depend on the size of the picture.
const SAMPLES: usize = 8;

/// The picture in 16 x 16 grey values.
pub fn thumbnail_of(image: &RgbImage) -> Thumbnail {
    let mut thumbnail = Thumbnail::grey(0);
    let (width, height) = (image.width() as usize, image.height() as usize);
    if width == 0 || height == 0 {
        return thumbnail;
    }
    let along = THUMBNAIL_SIDE * SAMPLES;
    // The middle of each sample.
    let place = |sample: usize, length: usize| (2 * sample + 1) * length / (2 * along);
    let pixels = image.as_raw();
    let mut sums = [0_u32; THUMBNAIL_SIDE * THUMBNAIL_SIDE];
    for row in 0..along {
        let line = &pixels[place(row, height) * width * 3..][..width * 3];
        for column in 0..along {
            let at = place(column, width) * 3;
            let [red, green, blue] = [line[at], line[at + 1], line[at + 2]].map(u32::from);
            // The weights of ITU-R BT.601, in 256ths.
            sums[row / SAMPLES * THUMBNAIL_SIDE + column / SAMPLES] +=
                (77 * red + 150 * green + 29 * blue) >> 8;
        }
    }
    for (grey, sum) in thumbnail.0.iter_mut().zip(sums) {
        // A mean of bytes is a byte.
        *grey = (sum / (SAMPLES * SAMPLES) as u32).min(255) as u8;
    }
    thumbnail
}

/// A picture for a model. The model uses `prepared` when the turn of the frame comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture<P> {
    /// The digest by which an equal picture is recognized.
    pub fingerprint: Fingerprint,
    /// The thumbnail by which a change of the picture is measured.
    pub thumbnail: Thumbnail,
    /// The result of the work on the picture so far.
    pub prepared: P,
}

impl<P> Picture<P> {
    /// The picture of `image`, with the result of the work on it so far.
    pub fn new(image: &RgbImage, prepared: P) -> Self {
        Self { fingerprint: fingerprint_of(image), thumbnail: thumbnail_of(image), prepared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_in_another_shape_are_another_picture() {
        let grey = |width, height| RgbImage::from_pixel(width, height, [7; 3].into());
        assert_eq!(fingerprint_of(&grey(2, 3)), fingerprint_of(&grey(2, 3)));
        assert_ne!(fingerprint_of(&grey(2, 3)), fingerprint_of(&grey(3, 2)));
    }

    #[test]
    fn a_thumbnail_shows_where_things_are_at_any_size() {
        for (width, height) in [(1, 1), (7, 3), (64, 64), (640, 360), (1921, 1081)] {
            let plain = RgbImage::from_pixel(width, height, [90, 90, 90].into());
            assert_eq!(thumbnail_of(&plain), Thumbnail::grey(90), "{width}x{height}");
        }
        let mut split = RgbImage::from_pixel(320, 200, [0; 3].into());
        for (_, row, pixel) in split.enumerate_pixels_mut() {
            if row >= 100 {
                *pixel = [255; 3].into();
            }
        }
        let Thumbnail(greys) = thumbnail_of(&split);
        assert!(greys[..128].iter().all(|grey| *grey == 0) && greys[128..].iter().all(|grey| *grey == 255));
        assert_eq!(thumbnail_of(&RgbImage::new(0, 5)), Thumbnail::grey(0));
    }
}
