//! What every reader of a stream of bytes needs: how far it is, and what to say of it.

use std::io::BufRead;

use super::error::PipeError;
use crate::error::SourceError;

/// How y4m begins.
pub(crate) const Y4M: &[u8] = b"YUV4MPEG2 ";

pub(super) fn damaged(name: &str, source: PipeError) -> SourceError {
    SourceError::Pipe { name: name.to_owned(), source }
}

/// The first bytes of something, for a person.
pub(super) fn shown(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(8)];
    if first.is_empty() { "nothing".to_owned() } else { format!("\"{}\"", first.escape_ascii()) }
}

/// Whether there is nothing more to read.
pub(super) fn at_end(bytes: &mut impl BufRead) -> std::io::Result<bool> {
    loop {
        match bytes.fill_buf() {
            Ok(buffer) => return Ok(buffer.is_empty()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
