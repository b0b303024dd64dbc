//! Simulated texts, in which each character stands for one token.
//!
//! Without a model there is neither a summary nor a tokenizer, but a strategy asks for the tokens of a text.
//! A simulated text is a row of characters from Unicode's private use area. It takes exactly the intended
//! number of tokens, however the rest of the message is counted.

use crate::segment::Role;
use crate::view::TokenCounter;

/// A token of an opening.
const OPENING: char = '\u{E000}';
/// A token of a summary.
const SUMMARY: char = '\u{E001}';

/// An opening of `tokens` tokens.
pub(super) fn opening(tokens: usize) -> String {
    std::iter::repeat_n(OPENING, tokens).collect()
}

/// A summary of `tokens` tokens.
pub(super) fn summary(tokens: usize) -> String {
    std::iter::repeat_n(SUMMARY, tokens).collect()
}

/// Counts one token for every word, and four for the chat template around a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WordCounter;

impl TokenCounter for WordCounter {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.split_whitespace().count() + 4
    }
}

/// A counter that counts simulated texts exactly.
#[derive(Clone, Copy)]
pub(super) struct Counter<'a> {
    pub(super) inner: &'a dyn TokenCounter,
    /// The tokens of a message with a summary, if a run recorded them.
    pub(super) recorded_summary: Option<usize>,
}

impl Counter<'_> {
    fn count(&self, text: &str, of_written: impl Fn(&str) -> usize) -> usize {
        let is_stand_in = |character: char| matches!(character, OPENING | SUMMARY);
        if !text.contains(is_stand_in) {
            return of_written(text);
        }
        if let Some(recorded) = self.recorded_summary.filter(|_| text.contains(SUMMARY)) {
            return recorded;
        }
        let written: String = text.chars().filter(|character| !is_stand_in(*character)).collect();
        let stand_ins = text.chars().filter(|character| is_stand_in(*character)).count();
        of_written(&written).saturating_add(stand_ins)
    }
}

impl TokenCounter for Counter<'_> {
    fn message_tokens(&self, role: Role, text: &str) -> usize {
        self.count(text, |written| self.inner.message_tokens(role, written))
    }

    fn prompt_tokens(&self, text: &str) -> usize {
        self.count(text, |written| self.inner.prompt_tokens(written))
    }
}
