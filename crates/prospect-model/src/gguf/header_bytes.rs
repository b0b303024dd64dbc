//! The bytes of a header one after the other. Nothing is reserved before it is known to be in the file.

use std::io::Read;

use super::error::GgufError;

/// Longest key, and longest name of a tensor: those of llama.cpp have at most 64 bytes.
const MOST_NAME_BYTES: u64 = 256;

/// Where a header is read, and how much of it is left.
pub(super) struct HeaderBytes<R> {
    from: R,
    read: u64,
    /// Bytes of the file.
    length: u64,
    /// Longest header.
    most: u64,
}

impl<R: Read> HeaderBytes<R> {
    /// A header of at most `most` bytes in a file of `length`.
    pub(super) fn new(from: R, length: u64, most: u64) -> Self {
        Self { from, read: 0, length, most }
    }

    /// Bytes that were read.
    pub(super) fn position(&self) -> u64 {
        self.read
    }

    /// The next `count` bytes, which belong to `what`.
    pub(super) fn take(&mut self, count: u64, what: &'static str) -> Result<Vec<u8>, GgufError> {
        self.claim(count, what)?;
        let mut bytes = vec![0; count as usize];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `N` bytes, as [`Self::take`].
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        self.claim(N as u64, what)?;
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A text behind its length.
    pub(super) fn text(&mut self, what: &'static str) -> Result<String, GgufError> {
        let length = self.u64(what)?;
        String::from_utf8(self.take(length, what)?).map_err(|_| GgufError::NotText { what })
    }

    /// A text that names something.
    pub(super) fn name(&mut self, what: &'static str) -> Result<String, GgufError> {
        let bytes = self.u64(what)?;
        if bytes > MOST_NAME_BYTES {
            return Err(GgufError::NameTooLong { bytes, most: MOST_NAME_BYTES });
        }
        String::from_utf8(self.take(bytes, what)?).map_err(|_| GgufError::NotText { what })
    }

    /// Counts bytes as read, if they are there.
    fn claim(&mut self, count: u64, what: &'static str) -> Result<(), GgufError> {
        if count > self.length - self.read {
            return Err(GgufError::Truncated { what });
        }
        if count > self.most.saturating_sub(self.read) {
            return Err(GgufError::HeaderTooLong { most: self.most });
        }
        self.read += count;
        Ok(())
    }
}
