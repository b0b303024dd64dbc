//! Contractions: words that are written together, mostly with an apostrophe.

use super::characters::{
    ANY, has, is_apostrophe, is_letter, is_quote, is_space, run, run_of, spelled, spelled_as_one_of,
};
use super::compounds;
use super::token::{Spelling, Token};

/// The possible second parts of a contraction, except for "n't".
const AUXILIARIES: [&str; 6] = ["'s", "'m", "'d", "'re", "'ve", "'ll"];
/// Words with an apostrophe that stay whole.
const WHOLE: [&str; 15] = [
    "'em",
    "'til",
    "'till",
    "'cause",
    "'n",
    "'n'",
    "ol'",
    "somethin'",
    "dunkin'",
    "c'mon",
    "o'o",
    "e'er",
    "li'l",
    "ev'ry",
    "d'ye",
];
/// More of these, longer ones.
const WHOLE_WORDS: [&str; 4] = ["nat'l", "nor'easter", "s'mores", "qu'il"];

/// The first part of words that the Treebank splits although they have no apostrophe there ("cannot"), and of
/// "'tis" and "'twas".
pub(super) fn fused(rest: &[char]) -> Option<Token> {
    let parts = [
        ("cannot", 3),
        ("gonna", 3),
        ("gotta", 3),
        ("lemme", 3),
        ("gimme", 3),
        ("wanna", 3),
        ("more'n", 4),
        ("ass'n", 3),
        ("'tis", 2),
        ("'twas", 2),
    ];
    let is_plain = |end: usize| rest[..end].first() != Some(&'’');
    let cut = |&(whole, first): &(&str, usize)| {
        let end = spelled(rest, 0, whole).filter(|&end| is_plain(end))?;
        Some(Token::verbatim(first).seeing(end))
    };
    parts.iter().find_map(cut)
}

/// The "it" of "it's".
pub(super) fn before_auxiliary(rest: &[char]) -> Option<Token> {
    let end = compounds::word_end(rest)?;
    let seen = spelled_as_one_of(rest, end, &AUXILIARIES)?;
    Some(Token::verbatim(end).seeing(seen))
}

/// The "'s" of "it's".
pub(super) fn auxiliary(rest: &[char]) -> Option<Token> {
    let end = spelled_as_one_of(rest, 0, &AUXILIARIES).filter(|&end| !goes_on(rest, end))?;
    Some(Token::new(end, Spelling::PlainApostrophe).seeing(end + 1))
}

/// The same if a letter follows. A plain apostrophe is taken as the beginning of a quotation there.
pub(super) fn auxiliary_in_word(rest: &[char]) -> Option<Token> {
    let end = spelled_as_one_of(rest, 0, &AUXILIARIES)?;
    Some(Token::new(end, Spelling::PlainApostrophe))
}

/// The "do" of "don't".
pub(super) fn before_not(rest: &[char]) -> Option<Token> {
    let letters = run(rest, 0, |c| c.is_ascii_alphabetic());
    let end = letters.checked_sub(1).filter(|&end| end > 0)?;
    Some(Token::verbatim(end).seeing(not_end(rest, end)?))
}

/// The "n't" of "don't".
pub(super) fn not(rest: &[char]) -> Option<Token> {
    let end = not_end(rest, 0).filter(|&end| !goes_on(rest, end))?;
    Some(Token::new(end, Spelling::PlainApostrophe).seeing(end + 1))
}

/// The end of an "n't" at `at`. A backquote counts as an apostrophe.
fn not_end(rest: &[char], at: usize) -> Option<usize> {
    spelled(rest, at, "n't").or_else(|| spelled(rest, at, "n`t"))
}

/// Whether a plain letter is next.
fn goes_on(rest: &[char], end: usize) -> bool {
    has(rest, end, |c| c.is_ascii_alphabetic())
}

/// A year or decade: "'05", which nothing may follow directly, or "'90s".
pub(super) fn short_year(rest: &[char]) -> Option<Token> {
    if !has(rest, 0, is_apostrophe) {
        return None;
    }
    if has(rest, 1, |c| matches!(c, '2'..='9')) && spelled(rest, 2, "0s").is_some() {
        return Some(Token::verbatim(4));
    }
    let end = run_of(rest, 1, 2, 2, |c| c.is_ascii_digit())?;
    has(rest, end, |c| is_space(c) || c == '\n').then(|| Token::verbatim(end).seeing(end + 1))
}

/// Words whose apostrophe is a part of them.
pub(super) fn with_apostrophe(rest: &[char]) -> Option<Token> {
    let whole = spelled_as_one_of(rest, 0, &WHOLE).max(spelled_as_one_of(rest, 0, &WHOLE_WORDS));
    let verbatim = [whole, elided_article(rest), named_like_oneil(rest), between_vowels(rest)];
    let before_letter = |end: &usize| has(rest, *end, is_letter);
    let all_of_you =
        spelled(rest, 0, "y'").filter(before_letter).map(|end| Token::verbatim(end).seeing(end + 1));
    verbatim.into_iter().flatten().max().map(Token::verbatim).or(all_of_you)
}

/// "d'", "j'" and "l'".
fn elided_article(rest: &[char]) -> Option<usize> {
    spelled_as_one_of(rest, 0, &["d'", "j'", "l'"])
}

/// A capital, an apostrophe and at least two letters: "O'Neil", but not "I've" or "Y'all". "n'" also begins such a word.
fn named_like_oneil(rest: &[char]) -> Option<usize> {
    let may_begin = |c| matches!(c, 'A'..='H' | 'J'..='X' | 'Z' | 'n');
    let begins = has(rest, 0, may_begin) && has(rest, 1, is_quote);
    let end = run_of(rest, 2, 2, 2, is_letter).filter(|_| begins)?;
    Some(run(rest, end, is_letter))
}

/// An apostrophe after a vowel and before one: "ma'am", "Hallowe'en".
fn between_vowels(rest: &[char]) -> Option<usize> {
    let end = run_of(rest, 0, 2, ANY, is_letter)?;
    let follows_vowel =
        has(rest, end - 1, |c| matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u' | 'y'));
    let precedes = has(rest, end + 1, |c| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'A'..='Z'));
    let holds = follows_vowel && has(rest, end, is_quote) && precedes;
    holds.then(|| run(rest, end + 1, is_letter))
}
