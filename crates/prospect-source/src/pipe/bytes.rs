//! Helpers for readers of byte streams.

use std::io::BufRead;

use super::error::PipeError;
use crate::error::SourceError;

/// The first bytes of y4m.
pub(crate) const Y4M: &[u8] = b"YUV4MPEG2 ";

pub(super) fn damaged(name: &str, source: PipeError) -> SourceError {
    SourceError::Pipe { name: name.to_owned(), source }
}

/// The first bytes of a stream, as text for a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(8)];
    if first.is_empty() { "nothing".to_owned() } else { format!("\"{}\"", first.escape_ascii()) }
}

/// Whether the end of the stream is reached.
pub(super) fn at_end(bytes: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        match bytes.fill_buf() {
            Ok(buffer) => return Ok(buffer.is_empty()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
