//! YUV 4:2:0 to RGB, the way a player without colour metadata does it: BT.601, limited range, nearest chroma.

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

/// Planes of one decoded picture: luma `width * height`, chroma half of it each way, rounded up; no padding.
#[derive(Debug, Clone)]
pub(super) struct YuvPicture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
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
        let chroma_width = self.width.div_ceil(2);
        let image = RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            let (x, y) = (x as usize, y as usize);
            let chroma = (y / 2) * chroma_width + x / 2;
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

#[cfg(test)]
mod tests {
    use super::*;

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
