//! YUV to RGB, the way a player without colour metadata does it: BT.601, nearest chroma.

use image::{RgbImage, imageops};

use super::sample::Picture;

/// How far a picture has to be turned to be upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rotation {
    None,
    Clockwise90,
    Half,
    Clockwise270,
}

/// Planes of one decoded picture: luma `width * height`, chroma by its subsampling, rounded up; no padding.
#[derive(Debug, Clone)]
pub(super) struct YuvPicture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
    /// Pixels to a sample of chroma, across and down.
    pub(super) subsampling: (usize, usize),
    /// Whether luma goes from 0 to 255, not from 16 to 235.
    pub(super) full_range: bool,
    pub(super) rotation: Rotation,
}

/// Copies a plane out of a padded buffer; rows the buffer lacks repeat the last one it has.
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
        let chroma_width = self.width.div_ceil(across);
        let convert = if self.full_range { convert_full } else { convert };
        let image = RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let (x, y) = (x as usize, y as usize);
            let chroma = (y / down) * chroma_width + x / across;
            convert(self.y[y * self.width + x], self.u[chroma], self.v[chroma])
        });
        match self.rotation {
            Rotation::None => image,
            Rotation::Clockwise90 => imageops::rotate90(&image),
            Rotation::Half => imageops::rotate180(&image),
            Rotation::Clockwise270 => imageops::rotate270(&image),
        }
    }
}

/// ITU-R BT.601 with luma in 16..=235 and chroma in 16..=240, in 16 bit fixed point.
fn convert(y: u8, u: u8, v: u8) -> image::Rgb<u8> {
    let (y, u, v) = ((i32::from(y) - 16) * 76309, i32::from(u) - 128, i32::from(v) - 128);
    let clip = |value: i32| ((value + 32768) >> 16).clamp(0, 255) as u8;
    image::Rgb([clip(y + 104_597 * v), clip(y - 25675 * u - 53279 * v), clip(y + 132_201 * u)])
}

/// The same with all of 0..=255, as JPEG has it.
fn convert_full(y: u8, u: u8, v: u8) -> image::Rgb<u8> {
    let (y, u, v) = (i32::from(y) * 65536, i32::from(u) - 128, i32::from(v) - 128);
    let clip = |value: i32| ((value + 32768) >> 16).clamp(0, 255) as u8;
    image::Rgb([clip(y + 91_881 * v), clip(y - 22_554 * u - 46_802 * v), clip(y + 116_130 * u)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_range_has_more_steps() {
        assert_eq!(convert_full(0, 128, 128).0, [0, 0, 0]);
        assert_eq!(convert_full(77, 128, 128).0, [77, 77, 77]);
        let red = convert_full(76, 85, 255).0;
        assert!(red[0] >= 253 && red[1] <= 1 && red[2] <= 1, "{red:?}");
    }

    #[test]
    fn chroma_is_found_under_every_subsampling() {
        for (across, down) in [(1, 1), (2, 1), (2, 2), (4, 1), (5, 3)] {
            let (columns, rows) = (5_usize.div_ceil(across), 3_usize.div_ceil(down));
            let plane = || (0..columns * rows).map(|sample| 10 * sample as u8).collect::<Vec<u8>>();
            let (y, u, v) = (vec![128; 15], plane(), plane());
            let (subsampling, rotation) = ((across, down), Rotation::None);
            let picture =
                YuvPicture { width: 5, height: 3, y, u, v, subsampling, full_range: false, rotation };
            let last = columns * rows - 1;
            assert_eq!(picture.rgb()[(4, 2)], convert(128, 10 * last as u8, 10 * last as u8));
        }
    }

    #[test]
    fn black_white_and_red() {
        assert_eq!(convert(16, 128, 128).0, [0, 0, 0]);
        assert_eq!(convert(235, 128, 128).0, [255, 255, 255]);
        let red = convert(81, 90, 240).0;
        assert!(red[0] >= 253 && red[1] <= 1 && red[2] <= 1, "{red:?}");
    }

    #[test]
    fn missing_rows_repeat_the_last_one() {
        assert_eq!(unpad(&[1, 2, 0, 3, 4, 0], 3, 2, 3), [1, 2, 3, 4, 3, 4]);
    }
}
