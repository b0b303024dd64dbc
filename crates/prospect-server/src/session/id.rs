//! Session ids that cannot be guessed.

use crate::backend::OpenError;
use crate::name::ID;
use crate::random_id::{BYTES, random_id};

/// # Errors
/// The operating system has no source of randomness.
pub(super) fn new_id() -> Result<String, OpenError> {
    random_id(ID)
}

/// Whether a text has the form of an id, which also names a folder.
pub(super) fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix(ID).unwrap_or_default();
    digits.len() == 2 * BYTES
        && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_lead_nowhere_else() {
        let (one, other) = (new_id().unwrap(), new_id().unwrap());
        assert!(one != other && is_id(&one) && is_id(&other));
        for wrong in
            ["", "sess_", "sess_../../etc/passwd0000000000000", &one.to_uppercase(), &format!("{one}0")]
        {
            assert!(!is_id(wrong), "{wrong}");
        }
    }
}
