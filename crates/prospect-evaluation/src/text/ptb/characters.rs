//! The kinds of characters, and the sequences of them from which rules are made.

/// The character that marks where a word may be hyphenated. It is not part of the spelling.
pub(super) const SOFT_HYPHEN: char = '\u{AD}';
/// More characters than any text has.
pub(super) const ANY: usize = usize::MAX >> 1;
const NO_BREAK_SPACE: char = '\u{A0}';

/// Whether a character may be in a word: letters, and marks over or beside them.
pub(super) fn is_letter(c: char) -> bool {
    is_unmarked_letter(c) || matches!(c, SOFT_HYPHEN | '\u{2C2}'..='\u{36F}' | '\u{483}'..='\u{487}')
}

/// Whether a character is a letter by Java's definition, without marks.
pub(super) fn is_unmarked_letter(c: char) -> bool {
    // Nothing above the Basic Multilingual Plane is known to the tool; letter-like symbols are symbols to it.
    let is_known = c <= '\u{FFFF}'
        && !matches!(c, '\u{300}'..='\u{36F}' | '\u{2160}'..='\u{2188}' | '\u{24B6}'..='\u{24E9}');
    is_known && c.is_alphabetic()
}

pub(super) fn is_letter_or_digit(c: char) -> bool {
    is_letter(c) || c.is_ascii_digit()
}

pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{92}' | '’')
}

/// Whether a character is an apostrophe, or one that is used for it inside of a name.
pub(super) fn is_quote(c: char) -> bool {
    is_apostrophe(c) || matches!(c, '`' | '\u{91}' | '‘' | '‛')
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | NO_BREAK_SPACE | '\u{2000}'..='\u{200A}' | '\u{3000}')
}

/// Whether a character is a space that may be inside of a number.
pub(super) fn is_inner_space(c: char) -> bool {
    matches!(c, ' ' | NO_BREAK_SPACE)
}

pub(super) fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether there is a character at `at` for which `is_such` is true.
pub(super) fn has(rest: &[char], at: usize, is_such: impl Fn(char) -> bool) -> bool {
    rest.get(at).is_some_and(|&c| is_such(c))
}

/// The end of the sequence of such characters from `at` on; `at` itself if there is none.
pub(super) fn run(rest: &[char], at: usize, is_such: impl Fn(char) -> bool) -> usize {
    at + rest.iter().skip(at).take_while(|&&c| is_such(c)).count()
}

/// The end of the sequence from `at` on, if it has at least `least` characters. Of a sequence longer than
/// `most`, only the first `most` count.
pub(super) fn run_of(
    rest: &[char],
    at: usize,
    least: usize,
    most: usize,
    is_such: impl Fn(char) -> bool,
) -> Option<usize> {
    let end = run(rest, at, is_such).min(at + most);
    (end >= at + least).then_some(end)
}

/// The end of the sequence of digits from `at` on, as in [`run_of`].
pub(super) fn digits(rest: &[char], at: usize, least: usize, most: usize) -> Option<usize> {
    run_of(rest, at, least, most, |c| c.is_ascii_digit())
}

/// The end of `pattern` (in lower case), if it is at `at` in upper or lower case. An apostrophe in the
/// pattern matches any apostrophe.
pub(super) fn spelled(rest: &[char], at: usize, pattern: &str) -> Option<usize> {
    let mut end = at;
    for expected in pattern.chars() {
        let fits = |c: char| c.to_ascii_lowercase() == expected || expected == '\'' && is_apostrophe(c);
        if !has(rest, end, fits) {
            return None;
        }
        end += 1;
    }
    Some(end)
}

/// The longest of several patterns, as in [`spelled`].
pub(super) fn spelled_as_one_of(rest: &[char], at: usize, patterns: &[&str]) -> Option<usize> {
    patterns.iter().filter_map(|pattern| spelled(rest, at, pattern)).max()
}
