//! The words of a text by the rules of the caption benchmarks, which follow the Penn Treebank.

mod abbreviations;
mod characters;
mod compounds;
mod contractions;
mod numbers;
mod symbols;
mod token;

use characters::is_line_break;
use token::Token;

/// Splits a text into lower-case words without punctuation, for [`bleu`](super::BleuCounts),
/// [`cider`](super::cider()) and [`meteor`](super::meteor()).
///
/// The words are those of `pycocoevalcap`'s `PTBTokenizer`: Stanford's `PTBTokenizer` 3.4.1 with
/// `-preserveLines -lowerCase`, without the tokens on the package's list of punctuation. The rules were found
/// by running that tool. As in that tool:
///
/// - contractions are split ("do n't", "it 's", "can not", "gon na"), but hyphenated words, times and paths
///   like "and/or" are not;
/// - an abbreviation keeps its period ("e.g.", "u.s."), and so does any word before a comma, colon or semicolon;
/// - brackets stay, as `-lrb-` and similar names, because the package's list has their names in capitals;
/// - currencies get the Treebank's symbols (`€` becomes `$`, `£` becomes `#`, `¢` becomes `cents`), `½`
///   becomes `1/2`, and characters without a rule, such as emoji, are removed;
/// - a token with a space inside, such as "1 1/2", counts as several words, because the metrics split at
///   spaces.
///
/// Each text is treated alone, as a line that is followed by another line. The package joins all its texts
/// into one, so the start of the next text, or its absence, can change the last token of a text ("Plan B.",
/// ":)"). The following is not imitated: HTML entities other than `&amp;`, `&lt;` and `&gt;` that are not
/// inside of a word; letters outside of the Latin, Greek and Cyrillic scripts that Unicode has changed since
/// 2014; digits other than 0 to 9; and line breaks, which count as spaces.
pub fn words(text: &str) -> Vec<String> {
    let mut text: Vec<char> = text.chars().map(|c| if is_line_break(c) { ' ' } else { c }).collect();
    text.push('\n');
    let mut words = Vec::new();
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        let Some(token) = longest(rest) else {
            rest = &rest[1..];
            continue;
        };
        let spelling = token.spelling.apply(&rest[..token.length]).to_lowercase();
        words.extend(spelling.split_whitespace().map(str::to_owned));
        rest = &rest[token.length.max(1)..];
    }
    words
}

/// A rule: the token that a text begins with, if the rule knows one.
type Rule = fn(&[char]) -> Option<Token>;

/// The rules by precedence, which decides between rules that looked at the same number of characters.
const RULES: [Rule; 30] = [
    contractions::fused,
    symbols::markup,
    symbols::entity,
    contractions::before_auxiliary,
    contractions::before_not,
    compounds::word,
    compounds::web_address,
    compounds::mail_address,
    compounds::handle,
    contractions::with_apostrophe,
    contractions::auxiliary,
    symbols::opening_quote,
    contractions::auxiliary_in_word,
    contractions::not,
    numbers::date,
    numbers::number,
    numbers::fraction,
    numbers::vulgar_fraction,
    compounds::fixed,
    contractions::short_year,
    abbreviations::acronym,
    compounds::file_name,
    abbreviations::abbreviation,
    abbreviations::before_number,
    abbreviations::before_punctuation,
    numbers::telephone,
    compounds::joined,
    symbols::smiley,
    symbols::repeated,
    symbols::single,
];

/// The token of the rule that looked at the most characters; of equal rules, the first.
fn longest(rest: &[char]) -> Option<Token> {
    let keep_longer = |best: Option<Token>, token: Token| match best {
        Some(best) if best.seen >= token.seen => Some(best),
        _ => Some(token),
    };
    RULES.iter().filter_map(|rule| rule(rest)).fold(None, keep_longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(words(text).join(" "), expected, "{text:?}");
    }

    #[test]
    fn contractions_are_cut() {
        check("Don't worry, it's fine; you cannot miss.", "do n't worry it 's fine you can not miss");
        check("I’ll say we shouldn't've gonna’d 'Tis", "i 'll say we should n't 've gonna 'd 't is");
        check("y'all, ma'am, 5 o'clock rock 'n' roll", "y' all ma'am 5 o'clock rock 'n' roll");
    }

    #[test]
    fn punctuation_goes_but_brackets_and_runs_stay() {
        check("\"Stop\" (now)... [ok]?! — wait", "stop -lrb- now -rrb- -lsb- ok -rsb- ?! wait");
    }

    #[test]
    fn numbers_and_units() {
        check(
            "1 1/2 cups at 350°F for 5:30, 1,000.5 g, 3.5mm",
            "1 1/2 cups at 350 ° f for 5:30 1,000.5 g 3.5 mm",
        );
        check("½ tsp costs €3.99, 50% off, -5", "1/2 tsp costs $ 3.99 50 % off -5");
    }

    #[test]
    fn abbreviations_keep_their_period() {
        check("Mr. Smith, e.g. in the U.S. Use 2 tbsp. No. 5", "mr. smith e.g. in the u.s. use 2 tbsp no. 5");
        check("Plan B. The end. Say no. Take approx., yes", "plan b the end say no take approx. yes");
    }

    #[test]
    fn compounds_stay_whole() {
        check(
            "10-inch well-done and/or 3/8-inch AT&T's C++ x_1",
            "10-inch well-done and/or 3/8-inch at&t 's c++ x_1",
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        check("", "");
        check(" \n\t🙂 .", "");
    }
}
