//! A picture as a JPEG of bounded size.

use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

/// The longer side of a JPEG, in pixels.
const LONGEST_SIDE: u32 = 640;
const QUALITY: u8 = 80;

/// A JPEG whose longer side has at most 640 pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SmallJpeg {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bytes: Vec<u8>,
}

impl SmallJpeg {
    /// Scales the picture down where it is larger, and encodes it; `None` for a picture without pixels.
    pub(crate) fn of(picture: &RgbImage) -> Option<Self> {
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
        Some(Self { width, height, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_becomes_a_small_one_of_its_shape() {
        let of = |width, height| {
            let noise =
                RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
            let jpeg = SmallJpeg::of(&noise).unwrap();
            let read = image::load_from_memory(&jpeg.bytes).unwrap();
            assert_eq!((read.width(), read.height()), (jpeg.width, jpeg.height));
            assert!(jpeg.bytes.len() < 3 << 17);
            (jpeg.width, jpeg.height)
        };
        assert_eq!(of(1600, 1200), (640, 480));
        assert_eq!(of(64, 48), (64, 48));
        assert_eq!(of(1, 5000), (1, 640));
    }
}
