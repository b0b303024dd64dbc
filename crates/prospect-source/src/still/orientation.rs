//! The orientation of a picture: that of its EXIF or, if the EXIF has none, that of its XMP, as in Pillow.
//!
//! If a JPEG has several EXIF blocks, the first counts. If a block has several entries, the last counts.
//! Damaged blocks are ignored.

use std::io::{BufRead, ErrorKind, Read, Result, Seek, SeekFrom};

use image::ImageDecoder;
use image::metadata::Orientation;

const JPEG: &[u8] = b"\xff\xd8";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The mark before the EXIF of a JPEG and of some other formats.
const EXIF: &[u8] = b"Exif\0\0";
/// The most bytes of an EXIF block: more than a JPEG can hold.
const MOST_BYTES: u64 = 1 << 20;
const ORIENTATION: u16 = 0x0112;

/// The EXIF of a JPEG or a PNG, wherever in the file it is: a PNG may have it behind the pixels. `None` for
/// other formats as well, because their decoders return it.
pub(super) fn exif(bytes: &mut (impl BufRead + Seek)) -> Result<Option<Vec<u8>>> {
    let mut head = Vec::new();
    bytes.by_ref().take(PNG.len() as u64).read_to_end(&mut head)?;
    let found = if head == PNG {
        of_png(bytes)
    } else if head.starts_with(JPEG) {
        bytes.seek(SeekFrom::Start(JPEG.len() as u64))?;
        of_jpeg(bytes)
    } else {
        return Ok(None);
    };
    match found {
        // A file that breaks off tells of no EXIF behind its end.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        found => found,
    }
}

/// The EXIF of a PNG, whose chunks have length, kind, data and checksum.
fn of_png(bytes: &mut (impl Read + Seek)) -> Result<Option<Vec<u8>>> {
    loop {
        let [l0, l1, l2, l3, kind @ ..] = array::<8>(bytes)?;
        let length = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
        match &kind {
            b"eXIf" if length <= MOST_BYTES => return Ok(Some(block(bytes, length)?)),
            b"IEND" => return Ok(None),
            _ => bytes.seek(SeekFrom::Current(length as i64 + 4))?,
        };
    }
}

/// The EXIF of a JPEG, in the segments with marker and length up to the first scan.
fn of_jpeg(bytes: &mut (impl Read + Seek)) -> Result<Option<Vec<u8>>> {
    loop {
        let [first, mut marker] = array(bytes)?;
        while first == 0xff && marker == 0xff {
            [marker] = array(bytes)?;
        }
        match (first, marker) {
            (0xff, 0x01 | 0xd0..=0xd7) => continue,
            (0xff, 0xd8..=0xda) | (..0xff, _) => return Ok(None),
            (0xff, _) => {}
        }
        let Some(length) = u64::from(u16::from_be_bytes(array(bytes)?)).checked_sub(2) else {
            return Ok(None);
        };
        if marker != 0xe1 {
            bytes.seek(SeekFrom::Current(length as i64))?;
            continue;
        }
        let segment = block(bytes, length)?;
        if segment.starts_with(EXIF) {
            return Ok(Some(segment));
        }
    }
}

fn array<const N: usize>(bytes: &mut impl Read) -> Result<[u8; N]> {
    let mut array = [0; N];
    bytes.read_exact(&mut array).map(|()| array)
}

fn block(bytes: &mut impl Read, length: u64) -> Result<Vec<u8>> {
    let mut block = Vec::new();
    bytes.take(length).read_to_end(&mut block).map(|_| block)
}

/// The orientation from `exif`, or else from the decoder.
pub(super) fn of(exif: Option<Vec<u8>>, decoder: &mut impl ImageDecoder) -> Orientation {
    let exif = exif.or_else(|| decoder.exif_metadata().ok().flatten());
    let by_exif = exif.and_then(|exif| entry(&exif));
    let value = by_exif.or_else(|| decoder.xmp_metadata().ok().flatten().and_then(|xmp| in_xmp(&xmp)));
    let value = value.and_then(|value| u8::try_from(value).ok());
    value.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

/// The orientation in an EXIF block: a small TIFF file, whose first directory has entries of 12 bytes.
fn entry(exif: &[u8]) -> Option<u32> {
    let tiff = exif.strip_prefix(EXIF).unwrap_or(exif);
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let two = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let four = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = four(4)? as usize;
    let mut found = None;
    for number in 0..usize::from(two(directory)?) {
        let at = directory + 2 + 12 * number;
        let (Some(tag), Some(kind)) = (two(at), two(at + 2)) else { break };
        if tag == ORIENTATION {
            found = match kind {
                1 => tiff.get(at + 8).map(|byte| u32::from(*byte)),
                3 => two(at + 8).map(u32::from),
                4 => four(at + 8),
                _ => None,
            };
        }
    }
    found
}

/// `tiff:Orientation="6"` or `<tiff:Orientation>6<`.
fn in_xmp(xmp: &[u8]) -> Option<u32> {
    const NAME: &[u8] = b"tiff:Orientation";
    xmp.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME).find_map(|(at, _)| {
        let rest = &xmp[at + NAME.len()..];
        let value = rest.strip_prefix(b"=\"").or_else(|| rest.strip_prefix(b">"))?;
        char::from(*value.first()?).to_digit(10)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::mutations::cases;

    /// A directory of `(tag, kind, value)`.
    fn tiff(big: bool, entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let two = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let four = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut bytes = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        bytes.extend(four(8));
        bytes.extend(two(entries.len() as u16));
        for &(tag, kind, value) in entries {
            bytes.extend([two(tag), two(kind)].concat());
            bytes.extend(four(1));
            match kind {
                1 => bytes.extend([value as u8, 0, 0, 0]),
                3 => bytes.extend([two(value as u16), [0; 2]].concat()),
                _ => bytes.extend(four(value)),
            }
        }
        bytes
    }

    #[test]
    fn an_entry_of_any_width_counts_and_the_last_of_several() {
        for big in [false, true] {
            for kind in [1, 3, 4] {
                let bytes = tiff(big, &[(0x010f, 3, 2), (ORIENTATION, kind, 6)]);
                assert_eq!(entry(&bytes), Some(6), "{kind}");
                assert_eq!(entry(&[EXIF, &bytes].concat()), Some(6));
            }
            assert_eq!(entry(&tiff(big, &[(ORIENTATION, 3, 6), (ORIENTATION, 3, 8)])), Some(8));
            assert_eq!(entry(&tiff(big, &[(0x010f, 3, 2)])), None);
        }
        assert_eq!(entry(b"no tiff at all"), None);
    }

    #[test]
    fn xmp_says_it_as_an_attribute_or_an_element() {
        assert_eq!(in_xmp(b"<rdf tiff:Orientation=\"6\"/>"), Some(6));
        assert_eq!(in_xmp(b"<tiff:Orientation>3</tiff:Orientation>"), Some(3));
        assert_eq!(in_xmp(b"tiff:Orientation tiff:Orientation=\"x\" tiff:Orientation"), None);
    }

    #[test]
    fn the_first_block_of_a_jpeg_and_a_late_one_of_a_png_are_found() {
        let segment = |kind: u8, data: &[u8]| {
            [&[0xff, kind], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
        };
        let jpeg = [
            JPEG,
            &segment(0xe0, b"JFIF"),
            &segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0"),
            b"\xff\xff",
            &segment(0xe1, b"Exif\0\0one")[1..],
            &segment(0xe1, b"Exif\0\0two"),
            b"\xff\xda",
        ];
        assert_eq!(exif(&mut Cursor::new(jpeg.concat())).unwrap().unwrap(), b"Exif\0\0one");
        let chunk =
            |kind: &[u8], data: &[u8]| [&(data.len() as u32).to_be_bytes()[..], kind, data, &[0; 4]].concat();
        let png = [PNG, &chunk(b"IHDR", &[0; 13]), &chunk(b"IDAT", b"x"), &chunk(b"eXIf", b"late")].concat();
        assert_eq!(exif(&mut Cursor::new(&png)).unwrap().unwrap(), b"late");
        assert_eq!(exif(&mut Cursor::new(&png[..40])).unwrap(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(500)) })]

        #[test]
        fn any_bytes_end_and_never_panic(
            head in 0usize..4, big in any::<bool>(), offset in any::<u32>(), bytes in prop::collection::vec(any::<u8>(), 0..120),
        ) {
            let start = tiff(big, &[]);
            let head: &[u8] = [b"" as &[u8], JPEG, PNG, &start[..4]][head];
            let offset = if offset % 2 == 0 { (offset % 128).to_le_bytes() } else { offset.to_be_bytes() };
            let all = [head, &offset, &bytes].concat();
            entry(&all);
            in_xmp(&all);
            let found = exif(&mut Cursor::new(&all)).unwrap();
            prop_assert!(found.is_none_or(|found| found.len() <= all.len()));
        }
    }
}
