//! Texts that nobody wrote: characters that stand for one token each.
//!
//! Without a model there is no summary and no tokenizer, yet a strategy asks what a text costs. A simulated text is a row of
//! private characters, so that it takes exactly as many tokens as it should, whatever counts the rest of the message.

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

/// Counts a token for every word and four for the message around them, as chat templates take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WordCounter;

impl TokenCounter for WordCounter {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.split_whitespace().count() + 4
    }
}

/// A counter that knows simulated texts.
#[derive(Clone, Copy)]
pub(super) struct Counter<'a> {
    pub(super) inner: &'a dyn TokenCounter,
    /// What a message with a summary in it takes, where a run recorded it.
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
