//! Numbers, dates, fractions and telephone numbers.

use super::characters::{ANY, SOFT_HYPHEN, digits, has, is_inner_space, run};
use super::token::{Spelling, Token};

/// "12/25/2020" and "1-1-20".
pub(super) fn date(rest: &[char]) -> Option<Token> {
    let separator = |at: usize| has(rest, at, |c| matches!(c, '-' | '/')).then_some(at + 1);
    let day = separator(digits(rest, 0, 1, 2)?)?;
    let year = separator(digits(rest, day, 1, 2)?)?;
    digits(rest, year, 2, 4).map(Token::verbatim)
}

/// Digits, which periods, commas and colons may group, with a sign: "-1,000.5", ".5", "5:30".
pub(super) fn number(rest: &[char]) -> Option<Token> {
    let start = usize::from(has(rest, 0, |c| matches!(c, '-' | '+')));
    number_end(rest, start).map(Token::verbatim)
}

/// Where an unsigned number ends.
fn number_end(rest: &[char], start: usize) -> Option<usize> {
    let mut end = run(rest, start, |c| c.is_ascii_digit());
    while has(rest, end, |c| matches!(c, '.' | ',' | ':' | SOFT_HYPHEN | '\u{66B}' | '\u{66C}')) {
        let Some(next) = digits(rest, end + 1, 1, ANY) else { break };
        end = next;
    }
    (end > start).then_some(end)
}

/// "3/4", "1 3/4" and "1-3/4", up to four digits each.
pub(super) fn fraction(rest: &[char]) -> Option<Token> {
    let plain = |at: usize| {
        let over = digits(rest, at, 1, 4)?;
        let slash = over + usize::from(has(rest, over, |c| c == '\\'));
        if has(rest, slash, |c| c == '/') || has(rest, over, |c| c == '\u{2044}') {
            digits(rest, slash + 1, 1, 4)
        } else {
            None
        }
    };
    let whole = digits(rest, 0, 1, 4).filter(|&end| has(rest, end, |c| c == '-' || is_inner_space(c)));
    whole.and_then(|end| plain(end + 1)).or_else(|| plain(0)).map(Token::verbatim)
}

/// "½".
pub(super) fn vulgar_fraction(rest: &[char]) -> Option<Token> {
    let spelling = match rest.first()? {
        '¼' => "1/4",
        '½' => "1/2",
        '¾' => "3/4",
        '⅓' => "1/3",
        '⅔' => "2/3",
        _ => return None,
    };
    Some(Token::new(1, Spelling::Fixed(spelling)))
}

/// "(650) 555-1234", "+44 20 7946 0958", "555.555.1234".
pub(super) fn telephone(rest: &[char]) -> Option<Token> {
    let ends = [in_parentheses(rest), spaced(rest), dotted(rest)];
    let end = ends.into_iter().flatten().max()?;
    Some(Token::new(end, Spelling::NamedParentheses))
}

fn separated(rest: &[char], end: usize) -> Option<usize> {
    has(rest, end, |c| c == '-' || is_inner_space(c)).then_some(end + 1)
}

/// The last two groups of digits, which may touch.
fn line_number(rest: &[char], at: usize) -> Option<usize> {
    let apart = [3, 4].into_iter().filter_map(|length| {
        let end = digits(rest, at, length, length)?;
        digits(rest, separated(rest, end)?, 3, 5)
    });
    apart.max().max(digits(rest, at, 6, 9))
}

fn in_parentheses(rest: &[char]) -> Option<usize> {
    let open = has(rest, 0, |c| c == '(').then_some(1)?;
    let close = digits(rest, open, 2, 3).filter(|&end| has(rest, end, |c| c == ')'))? + 1;
    line_number(rest, close + usize::from(has(rest, close, is_inner_space)))
}

fn plus_signs(rest: &[char]) -> usize {
    run(rest, 0, |c| c == '+').min(2)
}

fn spaced(rest: &[char]) -> Option<usize> {
    let area = separated(rest, digits(rest, plus_signs(rest), 2, 4)?)?;
    let after_country = digits(rest, area, 2, 4).and_then(|end| separated(rest, end));
    line_number(rest, area).max(after_country.and_then(|at| line_number(rest, at)))
}

fn dotted(rest: &[char]) -> Option<usize> {
    let group = |at: usize, least: usize, most: usize| {
        digits(rest, at, least, most).filter(|&end| has(rest, end, |c| c == '.')).map(|end| end + 1)
    };
    let from_area = |at: usize| digits(rest, group(group(at, 2, 4)?, 3, 4)?, 3, 5);
    let with_country = group(plus_signs(rest), 2, 4).and_then(from_area);
    with_country.max(from_area(0))
}
