//! The properties of pictures in a sequence parameter set of H.264: ITU-T H.264, 7.3.2.1.1 and E.1.1.
//!
//! It is read only up to the colours. The rest does not matter here, and is often wrong.

/// The built-in decoder's profiles: Baseline, Main, High.
const PROFILES: [u32; 3] = [66, 77, 100];
/// The profiles whose parameter sets contain chroma format and depth.
const HIGH_PROFILES: [u32; 13] = [44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244];
/// The most macroblocks of a picture in level 5.2, the highest level of the built-in decoder.
const MOST_MACROBLOCKS: u64 = 36_864;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sps {
    profile: u32,
    /// The chroma format: 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    chroma_format: u32,
    /// The depth in bits of luma or chroma, whichever is larger.
    depth: u32,
    interlaced: bool,
    macroblocks: u64,
    /// The size in pixels after cropping.
    pub(super) size: (u64, u64),
    /// The crop at left, right, top and bottom, in units of chroma samples.
    crop: [u64; 4],
    pub(super) full_range: Option<bool>,
    /// The number of the matrix in ITU-T H.273.
    pub(super) matrix: Option<u8>,
}

impl Sps {
    /// Parses a NAL unit with its header; `None` if it is not a sequence parameter set.
    pub(super) fn parse(unit: &[u8]) -> Option<Self> {
        let (header, rest) = unit.split_first()?;
        if header & 31 != 7 {
            return None;
        }
        let payload = without_emulation(rest);
        let mut bits = Bits { bytes: &payload, at: 0 };
        let profile = bits.take(8)?;
        bits.take(16)?;
        bits.golomb()?;
        let (chroma_format, depth) =
            if HIGH_PROFILES.contains(&profile) { high_profile(&mut bits)? } else { (1, 8) };
        order(&mut bits)?;
        bits.golomb()?;
        bits.take(1)?;
        let (wide, high) = (u64::from(bits.golomb()?) + 1, u64::from(bits.golomb()?) + 1);
        let interlaced = bits.take(1)? == 0;
        let fields = if interlaced { 2 } else { 1 };
        // Behind it, how fields and direct motion are coded.
        bits.take(fields)?;
        let crop = if bits.take(1)? == 1 {
            [bits.golomb()?, bits.golomb()?, bits.golomb()?, bits.golomb()?].map(u64::from)
        } else {
            [0; 4]
        };
        let [left, right, top, bottom] = crop;
        let unit_wide = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let fields = fields as u64;
        let unit_high = fields * if chroma_format == 1 { 2 } else { 1 };
        let width = (16 * wide).saturating_sub(unit_wide * (left + right));
        let height = (16 * high * fields).saturating_sub(unit_high * (top + bottom));
        let (full_range, matrix) = colours(&mut bits).unwrap_or_default();
        Some(Self {
            profile,
            chroma_format,
            depth,
            interlaced,
            macroblocks: wide.saturating_mul(high).saturating_mul(fields),
            size: (width, height),
            crop,
            full_range,
            matrix,
        })
    }

    pub(super) fn is_monochrome(&self) -> bool {
        self.chroma_format == 0
    }

    /// Whether the picture is cropped at the left or at the top.
    pub(super) fn begins_cropped(&self) -> bool {
        self.crop[0] > 0 || self.crop[2] > 0
    }

    /// The reason why the built-in decoder cannot decode the stream, in words.
    pub(super) fn foreign(&self) -> Option<String> {
        let (width, height) = self.size;
        if self.interlaced {
            Some("interlaced H.264".to_owned())
        } else if self.depth > 8 {
            Some(format!("H.264 with {} bits", self.depth))
        } else if self.chroma_format > 1 {
            Some(format!("H.264 in {}", if self.chroma_format == 2 { "4:2:2" } else { "4:4:4" }))
        } else if self.is_monochrome() && self.crop != [0; 4] {
            // The decoder crops in units of 4:2:0, which are twice as large.
            Some("monochrome H.264 that is cropped".to_owned())
        } else if !PROFILES.contains(&self.profile) {
            Some(format!("H.264 profile {}", self.profile))
        } else if self.macroblocks > MOST_MACROBLOCKS {
            Some(format!("H.264 of {width}x{height} pixels"))
        } else {
            None
        }
    }
}

/// Reads the chroma format and the depth, and skips the scaling lists behind them.
fn high_profile(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    let chroma_format = bits.golomb().filter(|format| *format <= 3)?;
    if chroma_format == 3 {
        bits.take(1)?;
    }
    let depth = 8 + bits.golomb()?.max(bits.golomb()?).min(8);
    bits.take(1)?;
    if bits.take(1)? == 1 {
        for list in 0..if chroma_format == 3 { 12 } else { 8 } {
            if bits.take(1)? == 1 {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some((chroma_format, depth))
}

fn scaling_list(bits: &mut Bits<'_>, entries: usize) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..entries {
        if next != 0 {
            // A difference of a set that lies; that of one that does not is small.
            next = bits.signed_golomb()?.wrapping_add(last).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Skips the numbering of frames.
fn order(bits: &mut Bits<'_>) -> Option<()> {
    bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.take(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb().filter(|frames| *frames < 256)? {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// Reads the range and the matrix, if they are there.
fn colours(bits: &mut Bits<'_>) -> Option<(Option<bool>, Option<u8>)> {
    if bits.take(1)? == 0 {
        return None;
    }
    if bits.take(1)? == 1 && bits.take(8)? == 255 {
        bits.take(32)?;
    }
    if bits.take(1)? == 1 {
        bits.take(1)?;
    }
    if bits.take(1)? == 0 {
        return None;
    }
    bits.take(3)?;
    let full_range = bits.take(1)? == 1;
    let described = bits.take(1)? == 1;
    let matrix = if described { bits.take(24).map(|codes| codes as u8) } else { None };
    Some((Some(full_range), matrix))
}

/// Removes the emulation prevention bytes from a unit.
fn without_emulation(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next bits as a number, at most 32; `None` at the end.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0_u64;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        u32::try_from(value).ok()
    }

    /// `ue(v)`.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// `se(v)`.
    fn signed_golomb(&mut self) -> Option<i32> {
        let value = self.golomb()?;
        let half = i32::try_from(value.div_ceil(2)).ok()?;
        Some(if value % 2 == 1 { half } else { -half })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mutations::cases;

    fn unit(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter(char::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap()).collect()
    }

    /// x264 at 320x240, High, with a time scale and no colours.
    const PLAIN: &str = "67640015ac5624141fb01100000303e90000bb800f162d8980";

    #[test]
    fn an_ordinary_set() {
        let sps = Sps::parse(&unit(PLAIN)).unwrap();
        assert_eq!((sps.size, sps.full_range, sps.matrix), ((320, 240), None, None));
        assert_eq!((sps.foreign(), sps.is_monochrome(), sps.begins_cropped()), (None, false, false));
    }

    #[test]
    fn other_units_and_cut_off_ones_are_none() {
        let whole = unit(PLAIN);
        assert_eq!(Sps::parse(&[]), None);
        assert_eq!(Sps::parse(&[&[0x68], &whole[1..]].concat()), None);
        // Up to the size everything is needed.
        assert!((1..9).all(|length| Sps::parse(&whole[..length]).is_none()));
    }

    #[test]
    fn what_the_decoder_does_not_know_is_named() {
        let plain = Sps::parse(&unit(PLAIN)).unwrap();
        let why = |sps: Sps| sps.foreign().unwrap();
        assert_eq!(why(Sps { interlaced: true, ..plain.clone() }), "interlaced H.264");
        assert_eq!(why(Sps { depth: 10, ..plain.clone() }), "H.264 with 10 bits");
        assert_eq!(why(Sps { chroma_format: 2, ..plain.clone() }), "H.264 in 4:2:2");
        assert_eq!(why(Sps { chroma_format: 3, ..plain.clone() }), "H.264 in 4:4:4");
        let cropped = Sps { chroma_format: 0, crop: [0, 0, 0, 8], ..plain.clone() };
        assert_eq!(why(cropped), "monochrome H.264 that is cropped");
        assert_eq!(why(Sps { profile: 88, ..plain.clone() }), "H.264 profile 88");
        let large = Sps { macroblocks: 40_000, size: (8192, 4320), ..plain };
        assert_eq!(why(large), "H.264 of 8192x4320 pixels");
    }

    #[test]
    fn numbers_are_exponential_golomb() {
        // 1, 010, 011, 00100, 00101
        let mut bits = Bits { bytes: &[0b1010_0110, 0b0100_0010, 0b1000_0000], at: 0 };
        assert_eq!((0..5).map(|_| bits.golomb().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        let mut bits = Bits { bytes: &[0b1010_0110, 0b0100_0010, 0b1000_0000], at: 0 };
        assert_eq!((0..5).map(|_| bits.signed_golomb().unwrap()).collect::<Vec<_>>(), [0, 1, -1, 2, -2]);
        assert_eq!(Bits { bytes: &[0; 9], at: 0 }.golomb(), None);
    }

    #[test]
    fn bytes_against_start_codes_are_taken_out() {
        assert_eq!(without_emulation(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 0, 0, 0]);
    }

    /// Writes what is read.
    #[derive(Default)]
    struct Written(Vec<bool>);

    impl Written {
        fn put(&mut self, count: u32, value: u64) {
            self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        }

        fn golomb(&mut self, value: u32) {
            let value = u64::from(value) + 1;
            let bits = 64 - value.leading_zeros();
            self.put(bits - 1, 0);
            self.put(bits, value);
        }

        /// With the bytes that keep start codes out.
        fn unit(&self) -> Vec<u8> {
            let mut bits = self.0.clone();
            bits.push(true);
            let (mut unit, mut zeros) = (vec![0x67], 0);
            for byte in bits.chunks(8) {
                let byte =
                    byte.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at));
                if zeros >= 2 && byte <= 3 {
                    unit.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                unit.push(byte);
            }
            unit
        }
    }

    /// A set of High whose size in macroblocks, crop and colours are given.
    fn written((wide, high): (u32, u32), crop: [u32; 4], colours: Option<(bool, Option<u8>)>) -> Vec<u8> {
        let mut out = Written::default();
        out.put(24, 100 << 16 | 30);
        for number in [0, 1, 0, 0] {
            out.golomb(number);
        }
        // No transform bypass; one flat scaling list, and seven that are not there.
        out.put(3, 0b011);
        out.golomb(16);
        out.put(7, 0);
        for number in [0, 2, 4] {
            out.golomb(number);
        }
        out.put(1, 0);
        out.golomb(wide - 1);
        out.golomb(high - 1);
        out.put(3, 0b111);
        crop.iter().for_each(|side| out.golomb(*side));
        out.put(1, u64::from(colours.is_some()));
        if let Some((full_range, matrix)) = colours {
            // Pixels of 4:3, as two numbers.
            out.put(9, 0x1ff);
            out.put(32, 4 << 16 | 3);
            out.put(5, 0b01_101);
            out.put(2, u64::from(full_range) << 1 | u64::from(matrix.is_some()));
            matrix.iter().for_each(|matrix| out.put(24, 0x0001_0100 | u64::from(*matrix)));
        }
        out.unit()
    }

    #[test]
    fn the_largest_numbers_overflow_nothing() {
        // A scaling list whose first difference is i32::MAX.
        let mut out = Written::default();
        out.put(24, 100 << 16 | 30);
        [0, 1, 0, 0].into_iter().for_each(|number| out.golomb(number));
        out.put(3, 0b011);
        out.golomb(u32::MAX - 2);
        assert_eq!(Sps::parse(&out.unit()), None);
        let sps = Sps::parse(&written((u32::MAX, u32::MAX), [u32::MAX - 1; 4], None)).unwrap();
        assert!(sps.macroblocks > MOST_MACROBLOCKS && sps.foreign().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(256)) })]

        #[test]
        fn what_is_written_is_read(
            size in (1u32..300, 1u32..100), crop in prop::array::uniform4(0u32..4),
            colours in prop::option::of((any::<bool>(), prop::option::of(any::<u8>()))),
        ) {
            let sps = Sps::parse(&written(size, crop, colours)).unwrap();
            let [left, right, top, bottom] = crop.map(u64::from);
            let wide = 16 * u64::from(size.0) - 2 * (left + right);
            prop_assert_eq!(sps.size, (wide, 16 * u64::from(size.1) - 2 * (top + bottom)));
            prop_assert_eq!(sps.begins_cropped(), left + top > 0);
            prop_assert_eq!((sps.full_range, sps.matrix), (colours.map(|c| c.0), colours.and_then(|c| c.1)));
            prop_assert_eq!(sps.foreign(), None);
        }

        #[test]
        fn no_bytes_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..60), changes in prop::collection::vec((1usize..25, any::<u8>()), 0..4),
        ) {
            Sps::parse(&[&[0x67][..], &bytes].concat());
            let mut damaged = unit(PLAIN);
            for (at, byte) in changes {
                damaged[at] = byte;
            }
            if let Some(sps) = Sps::parse(&damaged) {
                prop_assert!(sps.foreign().is_none_or(|why| why.contains("H.264")));
            }
        }
    }
}
