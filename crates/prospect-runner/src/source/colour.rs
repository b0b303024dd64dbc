//! From luma and chroma to RGB as ffmpeg does it, so that a picture does not depend on which of the two decoded it.
//!
//! Where chroma is shared by pixels, this is swscale's arithmetic bit for bit (`-pix_fmt rgb24`, even sizes): 13 bits behind the
//! point, each product cut off and not rounded. Rounding would be closer to the standards, and up to 3 of 255 away from ffmpeg.

/// What luma is made of: the weights of red and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Matrix {
    /// Also what is meant where nothing is said, whatever the size of the picture: ffmpeg has it so.
    #[default]
    Bt601,
    Bt709,
    Bt2020,
    Fcc,
    Smpte240,
}

/// How the numbers of a picture are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Colour {
    pub(super) matrix: Matrix,
    /// Whether luma goes from 0 to 255, not from 16 to 235.
    pub(super) full_range: bool,
}

impl Matrix {
    /// By its number in ITU-T H.273. Those that are no plain weights (YCgCo, ICtCp) are taken as swscale takes them.
    pub(super) fn from_code(code: u8) -> Self {
        match code {
            0 | 1 => Self::Bt709,
            4 => Self::Fcc,
            7 => Self::Smpte240,
            9 | 10 => Self::Bt2020,
            _ => Self::Bt601,
        }
    }

    /// Red from V, blue from U, green from U and from V, for chroma in 16..=240, with 16 bits behind the point.
    fn weights(self) -> [i32; 4] {
        match self {
            Self::Bt601 => [104_597, 132_201, -25_675, -53_279],
            Self::Bt709 => [117_489, 138_438, -13_975, -34_925],
            Self::Bt2020 => [110_013, 140_363, -12_277, -42_626],
            Self::Fcc => [104_448, 132_798, -24_759, -53_109],
            Self::Smpte240 => [117_579, 136_230, -16_907, -35_559],
        }
    }
}

/// The numbers of one [`Colour`], with `bits` bits behind the point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversion {
    black: i32,
    luma: i32,
    red: i32,
    blue: i32,
    green: (i32, i32),
    /// Whether what is shared by pixels, in swscale's arithmetic.
    shared: bool,
}

/// What chroma adds to luma in red, green and blue.
pub(super) type Tint = [i32; 3];

impl Conversion {
    /// `shared` says whether several pixels have one sample of chroma.
    pub(super) fn new(colour: Colour, shared: bool) -> Self {
        let range = |weight: i32| if colour.full_range { weight * 224 / 255 } else { weight };
        let (black, luma) = if colour.full_range { (0, 65_536) } else { (16, 65_536 * 255 / 219) };
        let [red, blue, green_u, green_v] = colour.matrix.weights().map(range);
        let bits = |weight: i32| if shared { (weight + 4) >> 3 } else { weight };
        let (red, blue, green) = (bits(red), bits(blue), (bits(green_u), bits(green_v)));
        Self { black, luma: bits(luma), red, blue, green, shared }
    }

    pub(super) fn tint(&self, u: u8, v: u8) -> Tint {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let (red, green_u, green_v, blue) = (v * self.red, u * self.green.0, v * self.green.1, u * self.blue);
        if self.shared {
            [red >> 13, (green_u >> 13) + (green_v >> 13), blue >> 13]
        } else {
            [red, green_u + green_v, blue]
        }
    }

    pub(super) fn pixel(&self, luma: u8, tint: Tint) -> [u8; 3] {
        let luma = (i32::from(luma) - self.black) * self.luma;
        let value = |tint: i32| if self.shared { (luma >> 13) + tint } else { (luma + tint + 32_768) >> 16 };
        tint.map(|tint| value(tint).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(colour: Colour, shared: bool, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let conversion = Conversion::new(colour, shared);
        conversion.pixel(y, conversion.tint(u, v))
    }

    /// `ffmpeg -vf setparams=colorspace=... -pix_fmt rgb24` on 4:2:0 of one colour.
    #[test]
    fn shared_chroma_is_swscales() {
        for (matrix, full_range, expected) in [
            (Matrix::Bt601, false, [211, 52, 20]),
            (Matrix::Bt601, true, [200, 61, 32]),
        ] {
            assert_eq!(rgb(Colour { matrix, full_range }, true, [100, 90, 200]), expected, "{matrix:?}");
        }
    }

    #[test]
    fn a_pixels_own_chroma_is_rounded() {
        assert_eq!(rgb(Colour::default(), false, [100, 90, 200]), [213, 54, 21]);
    }

    #[test]
    fn black_white_and_grey_have_no_tint() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Fcc, Matrix::Smpte240] {
            for shared in [false, true] {
                let limited = Colour { matrix, full_range: false };
                assert_eq!(rgb(limited, shared, [16, 128, 128]), [0; 3]);
                assert_eq!(rgb(limited, shared, [235, 128, 128]), [255; 3]);
                for grey in 0..=255 {
                    assert_eq!(rgb(Colour { matrix, full_range: true }, shared, [grey, 128, 128]), [grey; 3]);
                }
            }
        }
    }

    /// Weights of red and blue in the standards, against what is computed from the table.
    #[test]
    fn the_matrices_are_the_standards() {
        for (matrix, red, blue) in [
            (Matrix::Bt601, 0.299, 0.114),
            (Matrix::Bt709, 0.2126, 0.0722),
            (Matrix::Bt2020, 0.2627, 0.0593),
            (Matrix::Fcc, 0.30, 0.11),
            (Matrix::Smpte240, 0.212, 0.087),
        ] {
            let green: f64 = 1.0 - red - blue;
            for colour in [[200, 60, 40], [20, 160, 220], [120, 130, 60]] {
                let [r, g, b] = colour.map(|value| f64::from(value) / 255.0);
                let luma = red * r + green * g + blue * b;
                let (u, v) = ((b - luma) / (2.0 - 2.0 * blue), (r - luma) / (2.0 - 2.0 * red));
                let limited = [16.0 + 219.0 * luma, 128.0 + 224.0 * u, 128.0 + 224.0 * v];
                let full = [255.0 * luma, 128.0 + 255.0 * u, 128.0 + 255.0 * v];
                for (full_range, yuv) in [(false, limited), (true, full)] {
                    let yuv = yuv.map(|value: f64| value.round() as u8);
                    let found = rgb(Colour { matrix, full_range }, false, yuv);
                    for (found, expected) in found.iter().zip(colour) {
                        assert!(i32::from(*found).abs_diff(expected) <= 3, "{matrix:?} {found:?} {colour:?}");
                    }
                }
            }
        }
    }
}
