//! Reads the bytes of a header in order. Memory is only allocated for bytes that the file contains.

use std::io::Read;

use super::error::GgufError;

/// Longest key or name of a tensor, in bytes. Those of llama.cpp have at most 64.
const MOST_NAME_BYTES: u64 = 256;

/// A reader of a header that knows how many bytes are left.
pub(super) struct HeaderBytes<R> {
    from: R,
    read: u64,
    /// Length of the file in bytes.
    length: u64,
    /// Longest allowed header in bytes.
    most: u64,
}

impl<R: Read> HeaderBytes<R> {
    /// Reads a header of at most `most` bytes, in a file of `length` bytes.
    pub(super) fn new(from: R, length: u64, most: u64) -> Self {
        Self { from, read: 0, length, most }
    }

    /// Number of bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.read
    }

    /// Reads the next `count` bytes. Errors name `what`.
    pub(super) fn take(&mut self, count: u64, what: &'static str) -> Result<Vec<u8>, GgufError> {
        self.claim(count, what)?;
        let mut bytes = vec![0; count as usize];
        self.from.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads the next `N` bytes, as [`Self::take`].
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

    /// Reads a text, which follows its length.
    pub(super) fn text(&mut self, what: &'static str) -> Result<String, GgufError> {
        let length = self.u64(what)?;
        String::from_utf8(self.take(length, what)?).map_err(|_| GgufError::NotText { what })
    }

    /// Reads a name, which is a short text.
    pub(super) fn name(&mut self, what: &'static str) -> Result<String, GgufError> {
        let bytes = self.u64(what)?;
        if bytes > MOST_NAME_BYTES {
            return Err(GgufError::NameTooLong { bytes, most: MOST_NAME_BYTES });
        }
        String::from_utf8(self.take(bytes, what)?).map_err(|_| GgufError::NotText { what })
    }

    /// Counts bytes as read, after checking that the file and the limit allow them.
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
