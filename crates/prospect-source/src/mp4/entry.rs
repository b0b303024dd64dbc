//! The parts of a track's sample description that the demuxer skips: the number of descriptions, and the box
//! `colr`.

use std::io::{Read, Seek};
use std::ops::Range;

use super::declared::{box_at, bytes_at};

/// The offset of the entries in `stsd`: version, flags and the number of entries come first.
const ENTRIES_AT: u64 = 8;
/// The bytes of a video entry before its boxes.
const ENTRY_BYTES: u64 = 78;

/// The properties of a track's sample description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Entry {
    /// The number of sample descriptions of the track.
    pub(super) descriptions: u32,
    pub(super) full_range: Option<bool>,
    /// The number of the matrix in ITU-T H.273.
    pub(super) matrix: Option<u8>,
}

/// Reads the sample description of the movie's track with this number, counted from 0, in the first `end`
/// bytes.
pub(super) fn entry(file: &mut (impl Read + Seek), end: u64, track: usize) -> std::io::Result<Entry> {
    let mut at = Some(0..end);
    for (kind, number) in
        [(b"moov", 0), (b"trak", track), (b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 0)]
    {
        let Some(range) = at else { break };
        at = child(file, range, kind, number)?;
    }
    let Some(stsd) = at else { return Ok(Entry::default()) };
    let mut entry = Entry::default();
    if let Some(number) = bytes_at(file, stsd.start + 4..stsd.end)? {
        entry.descriptions = u32::from_be_bytes(number);
    }
    let Some((_, first)) = box_at(file, stsd.start + ENTRIES_AT..stsd.end)? else { return Ok(entry) };
    let Some(colr) = child(file, first.start + ENTRY_BYTES..first.end, b"colr", 0)? else { return Ok(entry) };
    // Kind, primaries, transfer and matrix; `nclx` has the range behind them, and a colour profile says neither.
    if let Some([k0, k1, k2, k3, _, _, _, _, _, matrix]) = bytes_at(file, colr.clone())? {
        let kind = [k0, k1, k2, k3];
        entry.matrix = [*b"nclx", *b"nclc"].contains(&kind).then_some(matrix);
        let range = bytes_at::<1>(file, colr.start + 10..colr.end)?;
        entry.full_range = range.filter(|_| &kind == b"nclx").map(|[range]| range & 0x80 != 0);
    }
    Ok(entry)
}

/// Contents of the box with this kind and number among those of its kind.
fn child(
    file: &mut (impl Read + Seek),
    mut range: Range<u64>,
    kind: &[u8; 4],
    mut number: usize,
) -> std::io::Result<Option<Range<u64>>> {
    while let Some((found, inside)) = box_at(file, range.clone())? {
        if &found == kind {
            if number == 0 {
                return Ok(Some(inside));
            }
            number -= 1;
        }
        range.start = inside.end;
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::mutations::cases;

    fn boxed(kind: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        [&(contents.len() as u32 + 8).to_be_bytes(), &kind[..], contents].concat()
    }

    /// A movie whose second track has these boxes in its entry.
    fn movie(boxes: &[u8]) -> Vec<u8> {
        let entry = boxed(b"avc1", &[&[0; ENTRY_BYTES as usize][..], boxes].concat());
        let description = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
        let inside = [b"trak", b"mdia", b"minf", b"stbl"].iter().rev();
        let track = inside.fold(description, |contents, kind| boxed(kind, &contents));
        let first = boxed(b"trak", &boxed(b"mdia", &[]));
        [boxed(b"ftyp", b"isom"), boxed(b"moov", &[first, track].concat())].concat()
    }

    fn read(bytes: &[u8], track: usize) -> Entry {
        entry(&mut Cursor::new(bytes), bytes.len() as u64, track).unwrap()
    }

    #[test]
    fn both_kinds_of_colours_and_what_is_none() {
        let with = |kind: &[u8; 4], rest: &[u8]| {
            let colr = boxed(b"colr", &[&kind[..], rest].concat());
            let read = read(&movie(&[boxed(b"avcC", &[1; 9]), colr].concat()), 1);
            assert_eq!(read.descriptions, 1);
            (read.matrix, read.full_range)
        };
        assert_eq!(with(b"nclx", &[0, 1, 0, 1, 0, 1, 0x80]), (Some(1), Some(true)));
        assert_eq!(with(b"nclx", &[0, 9, 0, 16, 0, 9, 0]), (Some(9), Some(false)));
        assert_eq!(with(b"nclc", &[0, 6, 0, 1, 0, 6]), (Some(6), None));
        assert_eq!(with(b"prof", &[0; 80]), (None, None));
        assert_eq!(with(b"nclx", &[0, 1]), (None, None));
        assert_eq!(read(&movie(&[]), 1), Entry { descriptions: 1, ..Entry::default() });
        assert_eq!(read(&movie(&[]), 0), Entry::default());
        assert_eq!(read(&movie(&[]), 7), Entry::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(256)) })]

        #[test]
        fn no_bytes_panic(changes in prop::collection::vec((0usize..200, any::<u8>()), 0..5), length in 0usize..200) {
            let mut bytes = movie(&boxed(b"colr", b"nclx\0\x01\0\x01\0\x01\x80"));
            for (at, byte) in changes {
                let last = bytes.len() - 1;
                bytes[at.min(last)] = byte;
            }
            bytes.truncate(length);
            for track in 0..3 {
                read(&bytes, track);
            }
        }
    }
}
