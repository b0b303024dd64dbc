//! Makes messages safe to print that quote the contents of a foreign file.

/// `message` on one line, whatever it quotes. For example, serde quotes an unknown key or variant
/// exactly as the file has it, with line breaks and terminal escapes.
pub fn one_line(message: impl ToString) -> String {
    let text = message.to_string();
    text.split(steers).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The longest message that [`short_line`] keeps, in characters.
const LONGEST: usize = 400;

/// [`one_line`], cut after 400 characters, because the quoted part of a file may have any length.
pub fn short_line(message: impl ToString) -> String {
    let mut line = one_line(message);
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push_str("...");
    }
    line
}

/// Whether a character steers a terminal instead of being displayed: control characters and marks that
/// change the writing direction.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` as it may be sent to a terminal. Line breaks and tabs stay; every other character that steers
/// a terminal is replaced by a visible symbol.
pub fn harmless(text: &str) -> String {
    let sign = |c: char| match c {
        '\n' | '\t' => c,
        // Unicode has a visible symbol for each of these control characters, from U+2400 on.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        c if steers(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, harmless, one_line, short_line};

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(harmless("a\u{1b}[2J\r\u{7}b\u{9b}1m\u{202e}c\td\n"), "a␛[2J␍␇b\u{fffd}1m\u{fffd}c\td\n");
        assert_eq!(one_line("a\u{202e}b\u{85}c"), "a b c");
    }

    #[test]
    fn what_is_long_is_cut_between_letters() {
        assert_eq!(short_line("ab"), "ab");
        assert_eq!(short_line("ä".repeat(LONGEST)), "ä".repeat(LONGEST));
        assert_eq!(short_line("ä".repeat(LONGEST + 1)), "ä".repeat(LONGEST) + "...");
    }

    #[test]
    fn breaks_and_escapes_are_spaces() {
        assert_eq!(one_line("unknown `a\n\u{1b}[2Jb`,\n  expected d"), "unknown `a [2Jb`, expected d");
        assert_eq!(one_line("two  spaces.mp4"), "two  spaces.mp4");
    }
}
