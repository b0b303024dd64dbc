//! Words that keep the period after them.

use super::characters::{has, is_line_break, is_space, run, spelled, spelled_as_one_of};
use super::compounds::{acronym_end, hyphenated_end, initials_end, thing_end, word_end};
use super::symbols::markup;
use super::token::{Spelling, Token};

/// Abbreviations in any case that a sentence may end with.
const FINAL: [&str; 78] = [
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mon", "tue",
    "tues", "wed", "thu", "thurs", "fri", "ala", "ariz", "calif", "colo", "conn", "ct", "dak", "fla", "ga",
    "ind", "kan", "kans", "ky", "md", "mich", "minn", "mo", "mont", "neb", "nev", "okla", "penn", "tenn",
    "va", "vt", "wis", "wisc", "wyo", "jr", "sr", "bros", "ed.d", "ph.d", "esq", "inc", "co", "cos", "corp",
    "ltd", "plc", "bancorp", "bhd", "assn", "univ", "intl", "sys", "etc", "al", "seq", "ext", "tel", "est",
    "sq", "rd", "rt", "bldg", "blvd", "ptys", "ptes",
];
/// More of these.
const FINAL_COMPANIES: [&str; 4] = ["pty", "pte", "ppty", "ppte"];
/// Abbreviations that differ from common words by their capital first letter.
const FINAL_CAPITALISED: [&str; 11] =
    ["Az", "Ark", "Del", "Ill", "La", "Mass", "Miss", "Ore", "Pa", "Tex", "Wash"];
/// Abbreviations that are followed by something, mostly titles.
const LEADING: [&str; 65] = [
    "mr", "mrs", "ms", "dr", "drs", "prof", "profs", "sen", "sens", "rep", "reps", "lt", "col", "gen",
    "messrs", "gov", "govs", "adm", "rev", "maj", "sgt", "cpl", "pvt", "mt", "capt", "st", "ste", "ave",
    "pres", "lieut", "hon", "brig", "cmdr", "comdr", "pfc", "spc", "supt", "supts", "det", "vs", "alex",
    "wm", "jos", "cie", "cf", "treas", "ph", "dept", "ft", "asst", "natl", "assoc", "msgr", "mme", "mlle",
    "sfc", "ens", "mfg", "mtg", "adj", "adv", "atty", "elec", "insp", "invt",
];
/// Abbreviations only before a number, because they are words as well.
const BEFORE_NUMBER: [&str; 9] = ["no", "nos", "fig", "figs", "art", "pp", "ca", "op", "prop"];
/// Acronyms with a hyphen.
const ACRONYMS: [&str; 8] = [
    "canada-u.s.",
    "sino-u.s.",
    "korean-u.s.",
    "eu-u.s.",
    "japan-u.s.",
    "non-u.s.",
    "u.s.-u.k.",
    "u.s.-u.s.s.r.",
];
/// Words that begin a sentence if their first letter is a capital.
const STARTERS: [&str; 46] = [
    "a",
    "about",
    "according",
    "additionally",
    "after",
    "an",
    "as",
    "at",
    "but",
    "earlier",
    "he",
    "her",
    "here",
    "however",
    "if",
    "in",
    "it",
    "last",
    "many",
    "more",
    "mr.",
    "ms.",
    "now",
    "once",
    "one",
    "other",
    "our",
    "she",
    "since",
    "so",
    "some",
    "such",
    "that",
    "the",
    "their",
    "then",
    "there",
    "these",
    "they",
    "this",
    "we",
    "what",
    "when",
    "while",
    "yet",
    "you",
];

/// Finds "U.S.", and a single letter with its period, unless a new sentence follows it.
pub(super) fn acronym(rest: &[char]) -> Option<Token> {
    let acronym = acronym_end(rest, 0).max(spelled_as_one_of(rest, 0, &ACRONYMS));
    if let Some(end) = acronym {
        return Some(Token::verbatim(end));
    }
    if !(has(rest, 0, |c| c.is_ascii_alphabetic()) && has(rest, 1, |c| c == '.')) {
        return None;
    }
    Some(sentence_start(rest, 2).map_or(Token::verbatim(2), |seen| Token::verbatim(1).seeing(seen)))
}

/// The end of the first word of a sentence, if spaces and such a word are at `at`.
fn sentence_start(rest: &[char], at: usize) -> Option<usize> {
    let is_gap = |c: char| is_space(c) || is_line_break(c);
    let start = run(rest, at, is_gap);
    if start == at {
        return None;
    }
    if let Some(tag) = markup(&rest[start..]) {
        return has(rest, start + tag.length, is_gap).then_some(start + tag.length + 1);
    }
    if !has(rest, start, |c| c.is_ascii_uppercase()) {
        return None;
    }
    let ends = STARTERS.iter().filter_map(|starter| spelled(rest, start, starter));
    ends.filter(|&end| has(rest, end, is_gap)).map(|end| end + 1).max()
}

/// An abbreviation of the lists.
pub(super) fn abbreviation(rest: &[char]) -> Option<Token> {
    let period_after = |end: &usize| has(rest, *end, |c| c == '.');
    let longest =
        |list: &[&str]| list.iter().filter_map(|word| spelled(rest, 0, word)).filter(period_after).max();
    let capitalised = FINAL_CAPITALISED.iter().filter(|word| rest.first() == word.chars().next().as_ref());
    let capitalised = capitalised
        .filter_map(|word| spelled(rest, 0, &word.to_ascii_lowercase()))
        .filter(period_after)
        .max();
    if let Some(end) = longest(&FINAL).max(longest(&FINAL_COMPANIES)).max(capitalised) {
        // Here the tool also looks for a sentence's end, in the two characters after the period.
        return Some(Token::verbatim(end + 1).seeing((end + 3).min(rest.len())));
    }
    longest(&LEADING).map(|end| Token::verbatim(end + 1))
}

/// "No. 5".
pub(super) fn before_number(rest: &[char]) -> Option<Token> {
    let is_period = |end: &usize| has(rest, *end, |c| c == '.');
    let end = BEFORE_NUMBER.iter().filter_map(|word| spelled(rest, 0, word)).find(is_period)? + 1;
    let digit = end + usize::from(has(rest, end, is_space));
    has(rest, digit, |c| c.is_ascii_digit()).then(|| Token::verbatim(end).seeing(digit + 1))
}

/// Any word whose period cannot end a sentence, as "approx.," does not.
pub(super) fn before_punctuation(rest: &[char]) -> Option<Token> {
    let ends = [word_end(rest), thing_end(rest), hyphenated_end(rest), initials_end(rest)];
    let is_inside = |end: &usize| {
        has(rest, *end, |c| c == '.') && has(rest, end + 1, |c| matches!(c, ',' | ';' | ':' | '\u{3001}'))
    };
    let end = ends.into_iter().flatten().filter(is_inside).max()?;
    Some(Token::new(end + 1, Spelling::Verbatim).seeing(end + 2))
}
