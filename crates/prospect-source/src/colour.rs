//! The conversion of luma and chroma to RGB as in ffmpeg, so that a picture does not depend on which of the
//! two decoded it.

/// The matrix of a colour conversion, which gives the weights of red and blue in luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Matrix {
    /// BT.601. It is also used if no matrix is given, for every size of the picture, as in ffmpeg.
    #[default]
    Bt601,
    Bt709,
    Bt2020,
    Fcc,
    Smpte240,
}

/// The meaning of the numbers of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Colour {
    pub(super) matrix: Matrix,
    /// Whether luma has the range 0 to 255 instead of 16 to 235.
    pub(super) full_range: bool,
}

impl Matrix {
    /// The matrix with this number in ITU-T H.273. Numbers for conversions that are not plain weights (YCgCo,
    /// ICtCp) are treated as in swscale.
    pub(super) fn from_code(code: u8) -> Self {
        match code {
            0 | 1 => Self::Bt709,
            4 => Self::Fcc,
            7 => Self::Smpte240,
            9 | 10 => Self::Bt2020,
            _ => Self::Bt601,
        }
    }

    /// The weights of red from V, blue from U, green from U and green from V, for chroma in 16..=240, as
    /// fixed-point numbers with 16 fractional bits.
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

/// How the chroma of a pixel was obtained. swscale computes each case in a different way, and this code does
/// the same. If everything were rounded, a value could differ from `ffmpeg -pix_fmt rgb24` by up to 3 of 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chroma {
    /// The pixel has its own chroma. Results are rounded.
    Own,
    /// The pixel shares the chroma of its neighbours. There are 13 fractional bits, and each product is
    /// truncated. The result is equal to swscale's on x86, bit for bit, if the picture has an even number of
    /// lines and columns.
    Shared,
    /// The chroma is interpolated from the samples around the pixel. The result is truncated once.
    Interpolated,
}

/// The tables for one [`Colour`].
#[derive(Debug, Clone)]
pub(super) struct Conversion {
    /// The number of bits by which a part of the tint, and then the sum of tint and luma, is shifted.
    shifts: (u32, u32),
    /// The converted value of every sample of luma.
    luma: [i32; 256],
    red: i32,
    blue: i32,
    green: (i32, i32),
}

/// The values that chroma adds to luma in red, green and blue.
pub(super) type Tint = [i32; 3];

impl Conversion {
    pub(super) fn new(colour: Colour, chroma: Chroma) -> Self {
        let range = |weight: i32| if colour.full_range { weight * 224 / 255 } else { weight };
        let (black, luma) = if colour.full_range { (0, 65_536) } else { (16, 65_536 * 255 / 219 + 1) };
        let weights = colour.matrix.weights().map(range);
        // 16 bits behind the point, or 13 that are cut off at once.
        let (shifts, rounding) = match chroma {
            Chroma::Own => ((0, 16), 32_768),
            Chroma::Interpolated => ((0, 16), 0),
            Chroma::Shared => ((13, 0), 0),
        };
        let short = |weight: i32| if chroma == Chroma::Shared { (weight + 4) >> 3 } else { weight };
        let [red, blue, green_u, green_v] = weights.map(short);
        let luma =
            std::array::from_fn(|sample| (((sample as i32 - black) * short(luma)) >> shifts.0) + rounding);
        Self { shifts, luma, red, blue, green: (green_u, green_v) }
    }

    pub(super) fn tint(&self, u: u8, v: u8) -> Tint {
        let part = |sample: u8, weight: i32| ((i32::from(sample) - 128) * weight) >> self.shifts.0;
        [part(v, self.red), part(u, self.green.0) + part(v, self.green.1), part(u, self.blue)]
    }

    pub(super) fn pixel(&self, luma: u8, tint: Tint) -> [u8; 3] {
        let luma = self.luma[usize::from(luma)];
        tint.map(|tint| ((luma + tint) >> self.shifts.1).clamp(0, 255) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(colour: Colour, chroma: Chroma, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let conversion = Conversion::new(colour, chroma);
        conversion.pixel(y, conversion.tint(u, v))
    }

    /// `ffmpeg -pix_fmt rgb24` on frames of one colour, as 4:2:0 and as 4:4:4.
    #[test]
    fn every_chroma_is_swscales() {
        for (chroma, full_range, expected) in [
            (Chroma::Shared, false, [211, 52, 20]),
            (Chroma::Shared, true, [200, 61, 32]),
            (Chroma::Own, false, [213, 54, 21]),
        ] {
            let colour = Colour { full_range, ..Colour::default() };
            assert_eq!(rgb(colour, chroma, [100, 90, 200]), expected, "{chroma:?}");
        }
    }

    const CHROMAS: [Chroma; 3] = [Chroma::Own, Chroma::Shared, Chroma::Interpolated];

    #[test]
    fn black_white_and_grey_have_no_tint() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Fcc, Matrix::Smpte240] {
            for chroma in CHROMAS {
                let limited = Colour { matrix, full_range: false };
                assert_eq!(rgb(limited, chroma, [16, 128, 128]), [0; 3]);
                assert_eq!(rgb(limited, chroma, [235, 128, 128]), [255; 3]);
                for grey in 0..=255 {
                    assert_eq!(rgb(Colour { matrix, full_range: true }, chroma, [grey, 128, 128]), [grey; 3]);
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
                    let found = rgb(Colour { matrix, full_range }, Chroma::Own, yuv);
                    for (found, expected) in found.iter().zip(colour) {
                        assert!(i32::from(*found).abs_diff(expected) <= 3, "{matrix:?} {found:?} {colour:?}");
                    }
                }
            }
        }
    }
}
