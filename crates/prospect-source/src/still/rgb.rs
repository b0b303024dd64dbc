//! Converts pixels of any depth, with or without alpha, to RGB with 8 bits.

use image::{DynamicImage, RgbImage};

/// Puts transparent pixels on white, as SmolVLM's image processor does, rounded as in Pillow. Of 16 bits the
/// upper 8 count, as in Pillow and ffmpeg.
pub(crate) fn on_white(picture: DynamicImage) -> RgbImage {
    let (width, height) = (picture.width(), picture.height());
    let samples = match &picture {
        DynamicImage::ImageLuma8(grey) => converted(grey, |[y]| [y; 3]),
        DynamicImage::ImageLumaA8(grey) => converted(grey, |[y, alpha]| [blended(y, alpha); 3]),
        DynamicImage::ImageRgba8(rgba) => converted(rgba, blend),
        DynamicImage::ImageLuma16(grey) => converted(grey, |[y]| [upper(y); 3]),
        DynamicImage::ImageLumaA16(grey) => {
            converted(grey, |[y, alpha]| [blended(upper(y), upper(alpha)); 3])
        }
        DynamicImage::ImageRgb16(rgb) => converted(rgb, |pixel| pixel.map(upper)),
        DynamicImage::ImageRgba16(rgba) => converted(rgba, |pixel| blend(pixel.map(upper))),
        // RGB as it is; no decoder here gives floats.
        _ => return picture.into_rgb8(),
    };
    // There are as many samples as the picture has pixels, three for each.
    RgbImage::from_raw(width, height, samples).unwrap_or_default()
}

fn converted<T: Copy, const CHANNELS: usize>(
    samples: &[T],
    rgb: impl Fn([T; CHANNELS]) -> [u8; 3],
) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<CHANNELS>();
    let mut converted = vec![0; 3 * pixels.len()];
    for (target, pixel) in converted.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
        *target = rgb(*pixel);
    }
    converted
}

fn upper(sample: u16) -> u8 {
    (sample >> 8) as u8
}

fn blend([red, green, blue, alpha]: [u8; 4]) -> [u8; 3] {
    match alpha {
        u8::MAX => [red, green, blue],
        _ => [red, green, blue].map(|value| blended(value, alpha)),
    }
}

/// A value over white, rounded.
fn blended(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgb, Rgba};
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn every_value_under_every_alpha_is_pillow_s() {
        let all = ImageBuffer::from_fn(256, 256, |value, alpha| LumaA([value as u8, alpha as u8]));
        let grey: Vec<u8> = on_white(all.into()).pixels().map(|pixel| pixel.0[1]).collect();
        let digest = Sha256::digest(&grey).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // fixtures/pictures/make.py prints it.
        assert_eq!(digest, "daffe4105f538143f578aac1659ef63cff348732e043f66f90c73519d83f8c1b");
    }

    #[test]
    fn depths_and_layouts_come_out_alike() {
        let one = |picture: DynamicImage| on_white(picture).get_pixel(0, 0).0;
        assert_eq!(one(ImageBuffer::from_pixel(1, 1, Luma([9_u8])).into()), [9; 3]);
        assert_eq!(one(ImageBuffer::from_pixel(1, 1, Luma([0x12ff_u16])).into()), [0x12; 3]);
        assert_eq!(one(ImageBuffer::from_pixel(1, 1, LumaA([0x12ff_u16, 0xffff])).into()), [0x12; 3]);
        assert_eq!(one(ImageBuffer::from_pixel(1, 1, Rgb([0x0102_u16, 0xfeff, 3])).into()), [1, 0xfe, 0]);
        assert_eq!(one(ImageBuffer::from_pixel(1, 1, Rgba([7_u8, 8, 9, 0])).into()), [255; 3]);
        assert_eq!(one(ImageBuffer::from_pixel(1, 1, Rgba([7_u8, 8, 9, 255])).into()), [7, 8, 9]);
        assert_eq!(
            one(ImageBuffer::from_pixel(1, 1, Rgba([0_u16, 0, 0xff00, 0x80ff])).into()),
            [127, 127, 255]
        );
    }
}
