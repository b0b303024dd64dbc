//! Words, and words joined by hyphens, slashes and the like.

use super::Token;
use super::characters::{
    has, is_apostrophe, is_letter, is_letter_or_digit, run, run_of, spelled, spelled_as_one_of,
};

/// Where a word ends: letters and digits after a letter. Periods, bangs and question marks right between two such words join
/// them.
pub(super) fn word_end(rest: &[char]) -> Option<usize> {
    let mut end = 0;
    if !has(rest, 0, is_letter) {
        return None;
    }
    loop {
        end = run(rest, end, is_letter_or_digit);
        if !(has(rest, end, |c| matches!(c, '.' | '!' | '?')) && has(rest, end + 1, is_letter)) {
            return Some(end);
        }
        end += 1;
    }
}

/// A plain word.
pub(super) fn word(rest: &[char]) -> Option<Token> {
    word_end(rest).map(Token::verbatim)
}

/// Fixed pieces that other rules would cut.
pub(super) fn fixed(rest: &[char]) -> Option<Token> {
    let pieces = ["pro-", "anti-", "c.d.s", "cap'n", "c'est", "s&p-500", "s&ls", "c++", "c#", "f#"];
    spelled_as_one_of(rest, 0, &pieces).map(Token::verbatim)
}

/// Words joined without a space.
pub(super) fn joined(rest: &[char]) -> Option<Token> {
    let ends = [thing_end(rest), hyphenated_end(rest), slashed_end(rest), initials_end(rest)];
    ends.into_iter().flatten().max().map(Token::verbatim)
}

/// Words joined by hyphens and underscores, where each may begin like "d'Artagnan".
pub(super) fn thing_end(rest: &[char]) -> Option<usize> {
    let piece = |at: usize| {
        let begins = has(rest, at, |c| matches!(c.to_ascii_lowercase(), 'd' | 'o' | 'l'));
        let elided = begins && has(rest, at + 1, is_apostrophe);
        let after_elision = run_of(rest, at + 2, 2, usize::MAX >> 1, is_letter_or_digit).filter(|_| elided);
        after_elision.or_else(|| run_of(rest, at, 1, usize::MAX >> 1, is_letter_or_digit))
    };
    let mut end = piece(0)?;
    while has(rest, end, |c| matches!(c, '-' | '_' | '\u{58A}' | '\u{2010}' | '\u{2011}')) {
        let Some(next) = piece(end + 1) else { break };
        end = next;
    }
    Some(end)
}

/// Words joined by hyphens, of which the first may have periods and commas ("2.5-inch"), and the last ones may be acronyms.
pub(super) fn hyphenated_end(rest: &[char]) -> Option<usize> {
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    if !has(rest, 0, is_plain) {
        return None;
    }
    let first = run(rest, 0, |c| is_plain(c) || matches!(c, '.' | ','));
    let mut end = first;
    while has(rest, end, |c| c == '-') {
        let plain = run_of(rest, end + 1, 1, usize::MAX >> 1, is_plain);
        let Some(next) = plain.max(acronym_end(rest, end + 1)) else { break };
        end = next;
    }
    (end > first).then_some(end)
}

/// Where an acronym at `at` ends, its last period included: "U.S.".
pub(super) fn acronym_end(rest: &[char], at: usize) -> Option<usize> {
    let mut end = at;
    while has(rest, end, |c| c.is_ascii_alphabetic()) && has(rest, end + 1, |c| c == '.') {
        end += 2;
    }
    (end > at + 2).then_some(end)
}

/// Two or three words joined by slashes, each with up to two hyphens: "and/or".
fn slashed_end(rest: &[char]) -> Option<usize> {
    let piece = |at: usize| {
        let mut end = run_of(rest, at, 1, usize::MAX >> 1, |c| c.is_ascii_alphanumeric())?;
        for _ in 0..2 {
            let hyphened = run_of(rest, end + 1, 1, usize::MAX >> 1, |c| c.is_ascii_alphabetic());
            end = hyphened.filter(|_| has(rest, end, |c| c == '-')).unwrap_or(end);
        }
        Some(end)
    };
    let next_piece = |end: usize| {
        let slash = end + usize::from(has(rest, end, |c| c == '\\'));
        if has(rest, slash, |c| c == '/') { piece(slash + 1) } else { None }
    };
    let two = next_piece(piece(0)?)?;
    Some(next_piece(two).unwrap_or(two))
}

/// Capitals joined by `&` or `+`: "AT&T".
pub(super) fn initials_end(rest: &[char]) -> Option<usize> {
    let capitals = |at: usize| run_of(rest, at, 1, usize::MAX >> 1, |c| c.is_ascii_uppercase());
    let first = capitals(0)?;
    let mut end = first;
    loop {
        let joint = if has(rest, end, |c| c == '+') { Some(end + 1) } else { spelled(rest, end, "&") };
        let Some(next) = joint.and_then(capitals) else { break };
        end = next;
    }
    (end > first).then_some(end)
}

fn ends_address(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '"' | '<' | '>' | '|' | '(' | ')')
}

/// What an address of a page has inside but not at its end.
fn is_weak_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | ',' | '{' | '}' | '-')
}

/// A web address with its scheme, or the path after a host that ends in a well-known domain.
pub(super) fn web_address(rest: &[char]) -> Option<Token> {
    let path_end = |at: usize| {
        let end = run(rest, at, |c| !ends_address(c));
        (at + 1..end).rev().find(|&last| !is_weak_end(rest[last])).map(|last| last + 1)
    };
    if let Some(host) = spelled_as_one_of(rest, 0, &["http://", "https://"]) {
        return path_end(host).map(Token::verbatim);
    }
    let host = run(rest, 0, |c| is_letter_or_digit(c) || c == '.');
    let name = rest[..host].iter().collect::<String>().to_ascii_lowercase();
    let is_known = [".com", ".net", ".org", ".edu"].iter().any(|domain| name.ends_with(domain));
    if !(is_known && has(rest, 0, is_letter) && has(rest, host, |c| c == '/')) {
        return None;
    }
    path_end(host + 1).map(Token::verbatim)
}

/// A mail address, with its angle brackets.
pub(super) fn mail_address(rest: &[char]) -> Option<Token> {
    let start = usize::from(has(rest, 0, |c| c == '<'));
    let at_sign = run(rest, start, |c| !ends_address(c) && c != '@');
    let begins = has(rest, start, |c| c.is_ascii_alphanumeric()) && has(rest, at_sign, |c| c == '@');
    let is_host = |c: char| !ends_address(c) && !matches!(c, '{' | '}' | '[' | ']' | ',' | ';' | ':');
    let run_end = run(rest, at_sign + 1, is_host);
    let end = (at_sign + 1..run_end).rev().find(|&last| rest[last] != '.').map(|last| last + 1)?;
    begins.then(|| Token::verbatim(end + usize::from(has(rest, end, |c| c == '>'))))
}

/// "@name" and "#topic".
pub(super) fn handle(rest: &[char]) -> Option<Token> {
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
    let end = match rest.first() {
        Some('@') if has(rest, 1, is_name) => run(rest, 1, |c| is_name(c) || c.is_ascii_digit()),
        Some('#') => run_of(rest, 1, 1, usize::MAX >> 1, is_letter)?,
        _ => return None,
    };
    Some(Token::verbatim(end))
}
