//! The number of samples that a file declares. The demuxer makes an entry of 64 bytes for each sample, and
//! four bytes of a table or of a fragment can declare any number of samples.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

/// The boxes that contain the boxes with the numbers of samples.
const CONTAINERS: [&[u8; 4]; 7] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"];

/// The number of samples of all tracks and fragments in the first `end` bytes.
pub(super) fn declared_samples(file: &mut (impl Read + Seek), end: u64) -> std::io::Result<u64> {
    let mut samples = 0_u64;
    // Starts and ends.
    let mut open = vec![(0, end)];
    while let Some((start, end)) = open.pop() {
        let Some((kind, inside)) = box_at(file, start..end)? else { continue };
        if inside.end < end {
            open.push((inside.end, end));
        }
        // Behind version and flags; a table has the size of its samples before their number.
        let number_at = match &kind {
            b"stsz" => 8,
            b"trun" => 4,
            _ => {
                open.extend(CONTAINERS.contains(&&kind).then_some((inside.start, inside.end)));
                continue;
            }
        };
        if let Some(number) = bytes_at(file, inside.start + number_at..inside.end)? {
            samples = samples.saturating_add(u32::from_be_bytes(number).into());
        }
    }
    Ok(samples)
}

/// The kind and the contents of the box at the start of a range; `None` if no whole box begins there.
pub(super) fn box_at(
    file: &mut (impl Read + Seek),
    range: Range<u64>,
) -> std::io::Result<Option<([u8; 4], Range<u64>)>> {
    let Some(header) = bytes_at::<8>(file, range.clone())? else { return Ok(None) };
    let [s0, s1, s2, s3, kind @ ..] = header;
    let (header, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (8, range.end - range.start),
        1 => match bytes_at(file, range.start + 8..range.end)? {
            Some(size) => (16, u64::from_be_bytes(size)),
            None => return Ok(None),
        },
        size => (8, u64::from(size)),
    };
    let end = range.start.saturating_add(size).min(range.end);
    Ok((size >= header).then_some((kind, range.start + header..end)))
}

/// The first `N` bytes of a range, if it has that many.
pub(super) fn bytes_at<const N: usize>(
    file: &mut (impl Read + Seek),
    range: Range<u64>,
) -> std::io::Result<Option<[u8; N]>> {
    if range.end.saturating_sub(range.start) < N as u64 {
        return Ok(None);
    }
    let mut bytes = [0; N];
    file.seek(SeekFrom::Start(range.start))?;
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        [&(contents.len() as u32 + 8).to_be_bytes(), &kind[..], contents].concat()
    }

    fn nested(kinds: &[&[u8; 4]], contents: Vec<u8>) -> Vec<u8> {
        kinds.iter().rev().fold(contents, |inside, kind| boxed(kind, &inside))
    }

    fn counted(bytes: Vec<u8>) -> u64 {
        let end = bytes.len() as u64;
        declared_samples(&mut Cursor::new(bytes), end).unwrap()
    }

    #[test]
    fn tables_of_all_tracks_and_runs_of_all_fragments_are_counted() {
        let table = |samples: u32| boxed(b"stsz", &[&[0; 8][..], &samples.to_be_bytes()].concat());
        let run = |samples: u32| boxed(b"trun", &[&[0; 4][..], &samples.to_be_bytes()].concat());
        let track = |samples| nested(&[b"trak", b"mdia", b"minf", b"stbl"], table(samples));
        let movie = boxed(b"moov", &[track(7), track(u32::MAX)].concat());
        let fragment = boxed(b"moof", &boxed(b"traf", &[run(20), run(100)].concat()));
        let large = [&1_u32.to_be_bytes(), &b"mdat"[..], &20_u64.to_be_bytes(), b"trun"].concat();
        assert_eq!(
            counted([boxed(b"ftyp", b"isom"), movie, large, fragment].concat()),
            7 + u64::from(u32::MAX) + 120
        );
        // Elsewhere they are something else, and half of one says nothing.
        assert_eq!(counted([boxed(b"free", &table(9)), boxed(b"trun", &[0; 7])].concat()), 0);
    }

    #[test]
    fn boxes_in_boxes_without_end_need_no_stack() {
        let deep = nested(&[b"moov"; 20_000], Vec::new());
        assert_eq!(counted(deep), 0);
    }
}
