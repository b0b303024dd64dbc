//! The result of a rule.

use super::characters::{SOFT_HYPHEN, is_apostrophe};

/// A token at the start of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// The number of characters of the token.
    pub(super) length: usize,
    /// The number of characters that the rule looked at, including those of the token. If several rules
    /// apply, the one that looked at most decides.
    pub(super) seen: usize,
    pub(super) spelling: Spelling,
}

/// The spelling of a token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spelling {
    /// The characters themselves.
    Verbatim,
    /// The characters, with a plain apostrophe.
    PlainApostrophe,
    /// The characters, with names in place of the parentheses.
    NamedParentheses,
    /// A fixed text.
    Fixed(&'static str),
    /// Nothing: punctuation.
    Dropped,
}

impl Token {
    pub(super) fn new(length: usize, spelling: Spelling) -> Self {
        Self { length, seen: length, spelling }
    }

    pub(super) fn verbatim(length: usize) -> Self {
        Self::new(length, Spelling::Verbatim)
    }

    pub(super) fn seeing(self, seen: usize) -> Self {
        Self { seen, ..self }
    }
}

impl Spelling {
    pub(super) fn apply(self, token: &[char]) -> String {
        let characters = token.iter().copied().filter(|&c| c != SOFT_HYPHEN);
        match self {
            Self::Verbatim => characters.collect(),
            Self::PlainApostrophe => characters.map(|c| if is_apostrophe(c) { '\'' } else { c }).collect(),
            Self::NamedParentheses => {
                let spelled: String = characters.collect();
                spelled.replace('(', "-lrb-").replace(')', "-rrb-")
            }
            Self::Fixed(spelling) => spelling.to_owned(),
            Self::Dropped => String::new(),
        }
    }
}
