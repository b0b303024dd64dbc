//! Punctuation, symbols and markup.

use super::characters::{
    SOFT_HYPHEN, has, is_apostrophe, is_inner_space, is_letter, is_line_break, is_space, run, run_of, spelled,
};
use super::token::{Spelling, Token};

/// What the Treebank calls a bracket. The metrics' list of punctuation has these in capitals and so misses them.
pub(super) fn bracket_name(c: char) -> Option<&'static str> {
    match c {
        '(' => Some("-lrb-"),
        ')' => Some("-rrb-"),
        '[' => Some("-lsb-"),
        ']' => Some("-rsb-"),
        '{' => Some("-lcb-"),
        '}' => Some("-rcb-"),
        _ => None,
    }
}

/// A tag, with attributes: `<a href="x">`.
pub(super) fn markup(rest: &[char]) -> Option<Token> {
    if !has(rest, 0, |c| c == '<') {
        return None;
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
    let name = |at: usize| has(rest, at, |c| c.is_ascii_alphabetic()).then(|| run(rest, at, is_name));
    if has(rest, 1, |c| matches!(c, '!' | '?')) && has(rest, 2, |c| c.is_ascii_alphabetic() || c == '-') {
        let end = run(rest, 3, |c| c != '>' && !is_line_break(c));
        return has(rest, end, |c| c == '>').then(|| Token::verbatim(end + 1));
    }
    let mut end = name(1 + usize::from(has(rest, 1, |c| c == '/')))?;
    loop {
        let spaces = run(rest, end, |c| c == ' ');
        let Some(next) = name(spaces).filter(|_| spaces > end) else { break };
        end = quoted_value(rest, next).unwrap_or(next);
    }
    end = run(rest, end, |c| c == ' ');
    end += usize::from(has(rest, end, |c| c == '/'));
    has(rest, end, |c| c == '>').then(|| Token::verbatim(end + 1))
}

/// Where the value of an attribute ends, from its equals sign on.
fn quoted_value(rest: &[char], at: usize) -> Option<usize> {
    let equals = run(rest, at, |c| c == ' ');
    let quote = run(rest, equals + 1, |c| c == ' ');
    let is_quote = |c: char| matches!(c, '"' | '\'');
    let end = run(rest, quote + 1, |c| !is_quote(c) && !is_line_break(c));
    let holds = has(rest, equals, |c| c == '=') && has(rest, quote, is_quote) && has(rest, end, is_quote);
    holds.then_some(end + 1)
}

/// The entities that plain text may have.
pub(super) fn entity(rest: &[char]) -> Option<Token> {
    let entities = [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")];
    entities.iter().find_map(|(entity, character)| {
        Some(Token::new(spelled(rest, 0, entity)?, Spelling::Fixed(character)))
    })
}

/// ":-)", which no letter may follow, and faces like "^_^".
pub(super) fn smiley(rest: &[char]) -> Option<Token> {
    let eyes = usize::from(has(rest, 0, |c| matches!(c, '<' | '>')));
    let nose = eyes + 1;
    let mouth = nose + usize::from(has(rest, nose, |c| matches!(c, '-' | 'o' | '*' | '\'')));
    let is_mouth =
        |c| matches!(c, '(' | ')' | 'D' | 'P' | 'd' | 'p' | 'O' | '\\' | '{' | '@' | '|' | '[' | ']');
    let has_eyes = has(rest, eyes, |c| matches!(c, ':' | ';' | '='));
    if has_eyes && has(rest, mouth, is_mouth) && has(rest, mouth + 1, |c| !c.is_ascii_alphanumeric()) {
        return Some(Token::new(mouth + 1, Spelling::NamedParentheses).seeing(mouth + 2));
    }
    face(rest).map(|end| Token::new(end, Spelling::NamedParentheses))
}

/// Where a face of two equal eyes ends.
fn face(rest: &[char]) -> Option<usize> {
    let is_eye = |c: char| matches!(c, '-' | '^' | 'x' | '=' | '~' | '<' | '>' | '\'');
    if !has(rest, 0, |c| c == '(') {
        let holds = has(rest, 0, is_eye) && has(rest, 1, |c| c == '_') && has(rest, 2, is_eye);
        return holds.then_some(3);
    }
    let right = 2 + usize::from(has(rest, 2, |c| matches!(c, '_' | '.')));
    let holds = has(rest, 1, is_eye) && has(rest, right, is_eye) && has(rest, right + 1, |c| c == ')');
    holds.then_some(right + 2)
}

/// Runs of the same symbol: dashes, ellipses, "?!", "***".
pub(super) fn repeated(rest: &[char]) -> Option<Token> {
    let &first = rest.first()?;
    let end = run(rest, 0, |c| c == first);
    match first {
        '-' => Some(Token::new(end, if end > 4 { Spelling::Verbatim } else { Spelling::Dropped })),
        '!' | '?' => {
            let end = run(rest, 0, |c| matches!(c, '!' | '?'));
            Some(Token::new(end, if end > 1 { Spelling::Verbatim } else { Spelling::Dropped }))
        }
        '.' => ellipsis_end(rest).map(|end| Token::new(end, Spelling::Dropped)),
        '*' | '#' | '_' | '@' => Some(Token::verbatim(end)),
        '<' | '>' if end >= 2 => Some(Token::verbatim(2)),
        _ if is_apostrophe(first) && end >= 2 => Some(Token::new(2, Spelling::Dropped)),
        '$' | 'A'..='Z' => {
            let end = run(rest, 0, |c| c.is_ascii_uppercase());
            has(rest, end, |c| c == '$').then(|| Token::verbatim(end + 1))
        }
        _ => None,
    }
}

/// Three to five periods, with a space between each two or without any.
fn ellipsis_end(rest: &[char]) -> Option<usize> {
    let mut end = 1;
    for _ in 0..4 {
        if !(has(rest, end, is_inner_space) && has(rest, end + 1, |c| c == '.')) {
            break;
        }
        end += 2;
    }
    run_of(rest, 0, 3, 5, |c| c == '.').max((end >= 5).then_some(end))
}

/// Any one symbol.
pub(super) fn single(rest: &[char]) -> Option<Token> {
    let &c = rest.first()?;
    let spelling = match c {
        _ if is_apostrophe(c) => Spelling::Dropped,
        '.' | ',' | ';' | ':' | '`' | '"' | '…' | '‘' | '‛' | '‹' | '›' | '“' | '”' | '«' | '»' => {
            Spelling::Dropped
        }
        '\u{91}' | '\u{93}' | '\u{94}' | '\u{96}' | '\u{97}' | '\u{2013}'..='\u{2015}' => Spelling::Dropped,
        '€' | '¤' | '₠' | '\u{80}' => Spelling::Fixed("$"),
        '£' => Spelling::Fixed("#"),
        '¢' => Spelling::Fixed("cents"),
        SOFT_HYPHEN => Spelling::Dropped,
        _ if bracket_name(c).is_some() => {
            return bracket_name(c).map(|name| Token::new(1, Spelling::Fixed(name)));
        }
        _ if c.is_ascii_graphic() || is_symbol(c) => Spelling::Verbatim,
        _ => return None,
    };
    let sign = usize::from(matches!(c, '⁺' | '⁻' | '₊' | '₋'));
    Some(Token::new(run(rest, sign, is_raised_or_lowered).max(1), spelling))
}

/// An apostrophe that a letter and more follow.
pub(super) fn opening_quote(rest: &[char]) -> Option<Token> {
    let goes_on = has(rest, 2, |c| !is_space(c) && !is_line_break(c));
    let opens = has(rest, 0, |c| c == '\'') && has(rest, 1, |c| c.is_ascii_alphabetic()) && goes_on;
    opens.then(|| Token::new(1, Spelling::Dropped).seeing(3))
}

/// Digits above and below the line.
fn is_raised_or_lowered(c: char) -> bool {
    matches!(c, '²' | '³' | '¹' | '\u{2070}' | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}')
}

/// Symbols beyond ASCII that have a rule.
fn is_symbol(c: char) -> bool {
    let is_latin = matches!(c, '\u{A1}'..='\u{BF}' | '×' | '÷') && !is_letter(c);
    let is_general = matches!(c,
        '\u{2016}'..='\u{2017}' | '\u{201A}' | '\u{201E}'..='\u{2023}' | '\u{2030}'..='\u{2038}' | '\u{203B}'
        | '\u{203E}'..='\u{2042}' | '\u{2044}' | '\u{2070}' | '\u{2074}'..='\u{207E}' | '\u{2080}'..='\u{208E}');
    let is_letter_like = matches!(c,
        '\u{20A4}' | '\u{2100}'..='\u{2101}' | '\u{2103}'..='\u{2106}' | '\u{2108}'..='\u{2109}' | '\u{2114}'
        | '\u{2116}'..='\u{2118}' | '\u{211E}'..='\u{2123}' | '\u{2125}' | '\u{2127}' | '\u{2129}' | '\u{212E}'
        | '\u{213A}'..='\u{213B}' | '\u{2140}'..='\u{2144}' | '\u{214A}'..='\u{214D}' | '\u{214F}'
        | '\u{2155}'..='\u{215E}');
    let is_wide = matches!(c,
        '\u{3001}'..='\u{3002}' | '\u{3012}' | '\u{30FB}' | '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}'
        | '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}' | '\u{FFE0}'..='\u{FFE1}' | '\u{FFE5}'..='\u{FFE6}');
    let is_drawn = matches!(c, '\u{2190}'..='\u{2BFF}' | '\u{37E}' | '\u{387}');
    is_latin || is_general || is_letter_like || is_wide || is_drawn
}
