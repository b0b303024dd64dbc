//! Words, and words joined by hyphens, slashes and the like.

use super::characters::{
    ANY, SOFT_HYPHEN, has, is_apostrophe, is_letter, is_letter_or_digit, is_unmarked_letter, run, run_of,
    spelled, spelled_as_one_of,
};
use super::token::Token;

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
    let pieces = [
        "pro-", "anti-", "c.d.s", "cap'n", "c'est", "s&p-500", "s&ls", "c++", "c#", "f#", "-lrb-", "-rrb-",
        "-lsb-", "-rsb-", "-lcb-", "-rcb-",
    ];
    spelled_as_one_of(rest, 0, &pieces).map(Token::verbatim)
}

/// Words joined without a space.
pub(super) fn joined(rest: &[char]) -> Option<Token> {
    let ends = [thing_end(rest), hyphenated_end(rest), slashed_end(rest), initials_end(rest)];
    ends.into_iter().flatten().max().map(Token::verbatim)
}

/// Words joined by hyphens and underscores, where each may begin like "d'Artagnan".
pub(super) fn thing_end(rest: &[char]) -> Option<usize> {
    let is_inside = |c: char| is_unmarked_letter(c) || c.is_ascii_digit();
    let piece = |at: usize| {
        let begins = has(rest, at, |c| matches!(c.to_ascii_lowercase(), 'd' | 'o' | 'l'));
        let elided = begins && has(rest, at + 1, is_apostrophe);
        let after_elision = run_of(rest, at + 2, 2, ANY, is_inside).filter(|_| elided);
        after_elision.or_else(|| run_of(rest, at, 1, ANY, is_inside))
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
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == SOFT_HYPHEN;
    if !has(rest, 0, |c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let first = run(rest, 0, |c| is_plain(c) || matches!(c, '.' | ','));
    let mut end = first;
    while has(rest, end, |c| c == '-') {
        let plain = run_of(rest, end + 1, 1, ANY, is_plain);
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
        let mut end = run_of(rest, at, 1, ANY, |c| c.is_ascii_alphanumeric())?;
        for _ in 0..2 {
            let hyphened = run_of(rest, end + 1, 1, ANY, |c| c.is_ascii_alphabetic());
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
    let capitals = |at: usize| run_of(rest, at, 1, ANY, |c| c.is_ascii_uppercase());
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
    c.is_ascii_whitespace() || matches!(c, '"' | '<' | '>' | '|' | '(' | ')' | '{' | '}')
}

/// What an address of a page has inside but not at its end.
fn is_weak_end(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | ',' | '-')
}

/// A name with a well-known extension, before a space or the end of a clause: "2.jpg".
pub(super) fn file_name(rest: &[char]) -> Option<Token> {
    let extensions = [
        "bat", "bmp", "c", "cgi", "cpp", "dll", "doc", "docx", "exe", "gif", "gz", "h", "htm", "html", "jar",
        "java", "jpeg", "jpg", "mov", "mp3", "pdf", "php", "pl", "png", "ppt", "ps", "py", "sql", "tar",
        "txt", "wav", "x", "xml", "zip",
    ];
    let (mut start, mut longest) = (0, None);
    while let Some(end) = run_of(rest, start, 1, ANY, is_letter_or_digit) {
        let extension = rest[start..end].iter().collect::<String>().to_ascii_lowercase();
        let ends_here = has(rest, end, |c| c.is_ascii_whitespace() || matches!(c, '.' | '?' | '!' | ','));
        if start > 0 && ends_here && extensions.contains(&extension.as_str()) {
            longest = Some(end);
        }
        if !has(rest, end, |c| c == '.') {
            break;
        }
        start = end + 1;
    }
    longest.map(|end| Token::verbatim(end).seeing(end + 1))
}

/// A web address with its scheme, or a host that says that it is one, with the path after it.
pub(super) fn web_address(rest: &[char]) -> Option<Token> {
    let path_end = |at: usize| {
        let end = run(rest, at, |c| !ends_address(c));
        (at + 1..end).rev().find(|&last| !is_weak_end(rest[last])).map(|last| last + 1)
    };
    if let Some(host) = spelled_as_one_of(rest, 0, &["http://", "https://"]) {
        return path_end(host).map(Token::verbatim);
    }
    let end = |host: usize| {
        let path = has(rest, host, |c| c == '/').then(|| path_end(host + 1)).flatten();
        path.unwrap_or(host)
    };
    let www = www_ends(rest).into_iter().map(end).max();
    www.or_else(|| domain_end(rest).map(end)).map(Token::verbatim)
}

/// Where a host like "www.my-host.co" may end: its last part has two to four letters.
fn www_ends(rest: &[char]) -> Vec<usize> {
    let Some(start) = spelled(rest, 0, "www.") else { return Vec::new() };
    let is_host = |c: char| !ends_address(c) && !matches!(c, '!' | '?' | ',');
    let limit = run(rest, start, is_host);
    let ending = |period: usize| run_of(rest, period + 1, 2, 4, |c| c.is_ascii_alphabetic());
    (start + 1..limit).filter(|&at| rest[at] == '.').filter_map(ending).collect()
}

/// Where a host like "host.com" ends.
fn domain_end(rest: &[char]) -> Option<usize> {
    let is_host = |c: char| {
        let is_other = ends_address(c) || matches!(c, '!' | '?' | '`' | '\'' | '$' | ','..='-' | '/'..='_');
        !is_other
    };
    let mut limit = run(rest, 0, is_host);
    // Every part between two periods has a letter.
    limit = (0..limit).find(|&at| rest[at] == '.' && (at == 0 || rest[at - 1] == '.')).unwrap_or(limit);
    let ending = |period: usize| spelled_as_one_of(rest, period, &[".com", ".net", ".org", ".edu"]);
    (1..limit).rev().find_map(ending)
}

/// A mail address, with its angle brackets.
pub(super) fn mail_address(rest: &[char]) -> Option<Token> {
    let start = usize::from(has(rest, 0, |c| c == '<'));
    if !has(rest, start, |c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let label = |at: usize| run_of(rest, at, 1, ANY, |c| !ends_address(c) && c != '.');
    let host_end = |at: usize| {
        let mut end = label(at)?;
        while has(rest, end, |c| c == '.') {
            let Some(next) = label(end + 1) else { break };
            end = next;
        }
        Some(end)
    };
    let limit = run(rest, start, |c| !ends_address(c));
    let end = (start + 1..limit).rev().filter(|&at| rest[at] == '@').find_map(|at| host_end(at + 1))?;
    Some(Token::verbatim(end + usize::from(has(rest, end, |c| c == '>'))))
}

/// "@name" and "#topic".
pub(super) fn handle(rest: &[char]) -> Option<Token> {
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
    let end = match rest.first() {
        Some('@') if has(rest, 1, is_name) => run(rest, 1, |c| is_name(c) || c.is_ascii_digit()),
        Some('#') => run_of(rest, 1, 1, ANY, is_letter)?,
        _ => return None,
    };
    Some(Token::verbatim(end))
}
