//! The version of our own format.

/// Version of our own format that is read and written.
pub const VERSION: u64 = 1;
