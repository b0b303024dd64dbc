//! The boxes of a file. The demuxer trusts them, so they are checked first.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use re_mp4::Mp4;

use prospect_foreign::caught;

/// The byte at which the demuxer must stop: the declared end of the last top-level box that can be parsed.
/// Media data may be cut off, but an index may not. `None` if there is no whole `moov`.
pub(super) fn parsable_end(file: &mut File, bytes: u64) -> std::io::Result<Option<u64>> {
    let (mut at, mut has_index) = (0_u64, false);
    while at + 8 <= bytes {
        let mut header = [0_u8; 16];
        file.seek(SeekFrom::Start(at))?;
        let read = (bytes - at).min(16) as usize;
        file.read_exact(&mut header[..read])?;
        let [s0, s1, s2, s3, k0, k1, k2, k3, large @ ..] = header;
        let kind = [k0, k1, k2, k3];
        let size = match u32::from_be_bytes([s0, s1, s2, s3]) {
            0 => bytes - at,
            1 => u64::from_be_bytes(large),
            size => u64::from(size),
        };
        let end = at.saturating_add(size);
        if size < 8 || (end > bytes && &kind != b"mdat") {
            break;
        }
        has_index |= &kind == b"moov";
        at = end;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(has_index.then_some(at))
}

/// A reader with a limit on the bytes that it gives. A box with a wrong length can lead the demuxer in
/// circles; this reader ends them.
struct Bounded<R> {
    file: R,
    left: u64,
}

impl<R> Bounded<R> {
    fn spend(&mut self, effort: u64) -> std::io::Result<()> {
        let left = self.left.checked_sub(effort);
        self.left = left.ok_or_else(|| std::io::Error::other("its boxes lead in circles"))?;
        Ok(())
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(out)?;
        self.spend(read as u64 + 1)?;
        Ok(read)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.spend(1)?;
        self.file.seek(to)
    }

    fn stream_position(&mut self) -> std::io::Result<u64> {
        self.file.stream_position()
    }
}

/// Parses a file. The demuxer indexes tables without checking their lengths, so damage causes a panic in it,
/// which is caught. `Err` says what it cannot read.
pub(super) fn parse(file: &File, end: u64) -> Result<Mp4, String> {
    let bounded = Bounded { file: BufReader::new(file), left: 64 * end + (1 << 20) };
    match caught(|| Mp4::read(bounded, end)) {
        Some(result) => result.map_err(|error| error.to_string()),
        None => Err("its tables of samples contradict each other".to_owned()),
    }
}
