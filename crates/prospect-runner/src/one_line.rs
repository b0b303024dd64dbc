//! Messages that repeat what a foreign file holds.

/// `message` on one line, whatever it quotes: serde names an unknown key or variant as the file has it, line breaks and
/// terminal escapes included.
pub(crate) fn one_line(message: impl ToString) -> String {
    let text = message.to_string();
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn breaks_and_escapes_are_spaces() {
        assert_eq!(one_line("unknown `a\n\u{1b}[2Jb`,\n  expected d"), "unknown `a [2Jb`, expected d");
        assert_eq!(one_line("two  spaces.mp4"), "two  spaces.mp4");
    }
}
