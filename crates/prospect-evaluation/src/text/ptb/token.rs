//! What a rule finds.

use super::characters::{SOFT_HYPHEN, is_apostrophe};

/// A token at the start of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// Characters of the token.
    pub(super) length: usize,
    /// Characters that a rule looked at, the token's included: of several rules that apply, the one that saw most decides.
    pub(super) seen: usize,
    pub(super) spelling: Spelling,
}

/// What a token becomes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spelling {
    /// The characters themselves.
    Verbatim,
    /// The characters, with a plain apostrophe.
    PlainApostrophe,
    /// The characters, with names for the parentheses.
    NamedParentheses,
    /// Something else.
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
