//! Decoded pictures, which are converted to RGB and made upright when they are needed.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use super::colour::{Chroma, Colour, Conversion, Tint};
use super::sample::Picture;

/// The planes of one decoded picture: luma `width * height`, and chroma by its subsampling, rounded up; no
/// padding.
#[derive(Debug, Clone)]
pub(super) struct YuvPicture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
    /// The number of pixels per sample of chroma, horizontally and vertically.
    pub(super) subsampling: (usize, usize),
    pub(super) chroma: Chroma,
    pub(super) colour: Colour,
    /// The orientation that makes the picture upright.
    pub(super) orientation: Orientation,
}

/// Copies a plane out of a padded buffer. Rows that the buffer lacks repeat its last row.
pub(super) fn unpad(plane: &[u8], stride: usize, width: usize, height: usize) -> Vec<u8> {
    let rows = (plane.len() / stride.max(1)).max(1);
    let mut out = Vec::with_capacity(width * height);
    for row in 0..height {
        let from = row.min(rows - 1) * stride;
        let line = plane.get(from..(from + width).min(plane.len())).unwrap_or(&[]);
        out.extend_from_slice(line);
        out.resize((row + 1) * width, 128);
    }
    out
}

impl Picture for YuvPicture {
    fn rgb(&self) -> RgbImage {
        let (across, down) = self.subsampling;
        let columns = self.width.div_ceil(across);
        let conversion = Conversion::new(self.colour, self.chroma);
        let mut image = RgbImage::new(self.width as u32, self.height as u32);
        let lines = image.chunks_exact_mut(3 * self.width.max(1)).zip(self.y.chunks_exact(self.width.max(1)));
        for (row, (line, luma)) in lines.enumerate() {
            let chroma = row / down * columns..(row / down + 1) * columns;
            let tints = self.u[chroma.clone()].iter().zip(&self.v[chroma]);
            let mut tints = tints.map(|(u, v)| conversion.tint(*u, *v));
            let (pixels, _) = line.as_chunks_mut();
            match across {
                1 => groups::<1>(&conversion, pixels, luma, &mut tints),
                2 => groups::<2>(&conversion, pixels, luma, &mut tints),
                _ => {
                    for ((pixels, luma), tint) in
                        pixels.chunks_mut(across).zip(luma.chunks(across)).zip(tints)
                    {
                        group(&conversion, pixels, luma, tint);
                    }
                }
            }
        }
        let mut image = DynamicImage::ImageRgb8(image);
        image.apply_orientation(self.orientation);
        image.into_rgb8()
    }
}

/// Converts pixels of a line in groups: `N` pixels have the same tint, and the last group may be smaller. `N`
/// is constant, so the compiler knows the length of the loop.
fn groups<const N: usize>(
    conversion: &Conversion,
    pixels: &mut [[u8; 3]],
    luma: &[u8],
    tints: &mut impl Iterator<Item = Tint>,
) {
    let ((pixels, last_pixels), (luma, last_luma)) = (pixels.as_chunks_mut::<N>(), luma.as_chunks::<N>());
    for ((pixels, luma), tint) in pixels.iter_mut().zip(luma).zip(&mut *tints) {
        group(conversion, pixels, luma, tint);
    }
    if let Some(tint) = tints.next() {
        group(conversion, last_pixels, last_luma, tint);
    }
}

fn group(conversion: &Conversion, pixels: &mut [[u8; 3]], luma: &[u8], tint: Tint) {
    for (pixel, luma) in pixels.iter_mut().zip(luma) {
        *pixel = conversion.pixel(*luma, tint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_is_found_under_every_subsampling() {
        for (across, down) in [(1, 1), (2, 1), (2, 2), (4, 1), (5, 3)] {
            let (columns, rows) = (5_usize.div_ceil(across), 3_usize.div_ceil(down));
            let plane = || (0..columns * rows).map(|sample| 10 * sample as u8).collect::<Vec<u8>>();
            let (y, u, v) = (vec![128; 15], plane(), plane());
            let subsampling = (across, down);
            let (chroma, colour) = (Chroma::Shared, Colour::default());
            let orientation = Orientation::NoTransforms;
            let picture =
                YuvPicture { width: 5, height: 3, y, u, v, subsampling, chroma, colour, orientation };
            let conversion = Conversion::new(colour, chroma);
            for (x, y, pixel) in picture.rgb().enumerate_pixels() {
                let sample = 10 * (y as usize / down * columns + x as usize / across) as u8;
                let expected = conversion.pixel(128, conversion.tint(sample, sample));
                assert_eq!(pixel.0, expected, "{across}x{down} at {x}, {y}");
            }
        }
    }

    #[test]
    fn missing_rows_repeat_the_last_one() {
        assert_eq!(unpad(&[1, 2, 0, 3, 4, 0], 3, 2, 3), [1, 2, 3, 4, 3, 4]);
    }
}
