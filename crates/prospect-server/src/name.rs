//! Names that clients choose: for cameras, and for the sessions of conversations.

/// Most letters of a name.
pub(crate) const MOST_LETTERS: usize = 64;

/// Whether a text can be a name, which may stand in a path: letters, digits, and `-`, `_`, `.`, but dots not alone.
pub(crate) fn is_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let has_room = (1..=MOST_LETTERS).contains(&text.len());
    has_room && text.chars().all(is_letter) && text.contains(|letter| letter != '.')
}
