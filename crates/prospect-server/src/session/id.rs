//! Session ids that cannot be guessed.

use std::fmt::Write;

/// Random bytes of an id.
const BYTES: usize = 16;

/// # Errors
/// The operating system has no source of randomness.
pub(super) fn new_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    let mut id = String::from("sess_");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}

/// Whether a text has the form of an id, which also names a folder.
pub(super) fn is_id(text: &str) -> bool {
    let digits = text.strip_prefix("sess_").unwrap_or_default();
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
