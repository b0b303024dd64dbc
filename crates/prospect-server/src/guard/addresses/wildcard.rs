//! Patterns with `*`.

/// Whether `text` matches `pattern`, where `*` stands for any characters except `divider`.
pub(super) fn matches(pattern: &str, text: &str, divider: char) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // `reached[n]`: the pattern so far matches the first `n` characters of the text.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for letter in pattern {
        if letter == '*' {
            for at in 0..text.len() {
                reached[at + 1] |= reached[at] && text[at] != divider;
            }
        } else {
            for at in (0..text.len()).rev() {
                reached[at + 1] = reached[at] && text[at] == letter;
            }
            reached[0] = false;
        }
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_ends_at_a_divider() {
        for (pattern, text, expected) in [
            ("cam-*.local", "cam-1.local", true),
            ("cam-*.local", "cam-.local", true),
            ("cam-*.local", "cam-1.x.local", false),
            ("cam-*.local", "cam-1.localx", false),
            ("*a*b", "aab", true),
            ("*", "", true),
            ("", "", true),
            ("a", "", false),
            ("*.*", "a.b", true),
        ] {
            assert_eq!(matches(pattern, text, '.'), expected, "{pattern} {text}");
        }
        assert!(matches("/dev/video*", "/dev/video10", '/') && !matches("/dev/*", "/dev/a/b", '/'));
    }
}
