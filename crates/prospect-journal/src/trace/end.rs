//! Errors of continuing an existing trace.

/// Why an existing trace cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum TraceEndError {
    /// The trace does not exist or cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The trace has lost events.
    #[error("has {found} bytes: expected at least {expected}")]
    Short {
        /// Length of the file, in bytes.
        found: u64,
        /// Length that the file must have at least, in bytes.
        expected: u64,
    },
    /// The events up to the known length were changed.
    #[error("was changed in its first {bytes} bytes: expected them as they were written")]
    Changed {
        /// The length whose checksum is known, in bytes.
        bytes: u64,
    },
}
