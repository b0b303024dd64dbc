//! A trace that cannot be gone on with.

/// Why a trace cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub enum TraceEndError {
    /// It is not there, or cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It has lost events.
    #[error("has {found} bytes: expected at least {expected}")]
    Short {
        /// Its length.
        found: u64,
        /// The length that is known of it.
        expected: u64,
    },
    /// Somebody has changed it.
    #[error("was changed in its first {bytes} bytes: expected them as they were written")]
    Changed {
        /// The length that is known of it.
        bytes: u64,
    },
}
