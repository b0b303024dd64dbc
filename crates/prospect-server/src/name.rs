//! Names that clients choose, for cameras and for sessions of conversations.

/// Most characters of a name.
pub(crate) const MOST_LETTERS: usize = 64;

/// What the ids of sessions begin with. The name of a session does not.
pub(crate) const ID: &str = "sess_";

/// Whether a text is a valid name, which may be part of a path: letters, digits, `-`, `_` and `.`, but
/// not only dots.
pub(crate) fn is_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let has_room = (1..=MOST_LETTERS).contains(&text.len());
    has_room && text.chars().all(is_letter) && text.contains(|letter| letter != '.')
}
