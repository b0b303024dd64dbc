//! Ids that cannot be guessed.

use std::fmt::Write;

use crate::backend::OpenError;

/// Random bytes of an id.
pub(crate) const BYTES: usize = 16;

/// # Errors
/// The operating system has no source of randomness.
pub(crate) fn random_id(prefix: &str) -> Result<String, OpenError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| OpenError::Failed(error.to_string()))?;
    let mut id = String::from(prefix);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
