//! The conversion of text to token ids and back, for one checkpoint.

use prospect_context::{Encoded, Role, TokenCounter};

/// The error of a tokenizer or a template, in one line.
pub type LanguageError = Box<dyn std::error::Error + Send + Sync>;

/// What stands around the frames of a user's turn, as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTurn {
    /// Before the first frame.
    pub opening: Vec<u32>,
    /// Behind the last frame or text.
    pub closing: Vec<u32>,
    /// Behind the token that ends a reply, before the next turn.
    pub after_reply: Vec<u32>,
}

/// The tokenizer and chat template of a checkpoint. This is the only part of a checkpoint that a session
/// calls directly.
pub trait Language: Send + Sync {
    /// Encodes a message. `first` says whether it is at the start of an empty cache.
    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, LanguageError>;

    /// Encodes the text that the template puts before a reply.
    fn encode_generation_prompt(&self) -> Result<Encoded, LanguageError>;

    /// Encodes a frame. `time` is its stream time in seconds, if the text shows it.
    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, LanguageError>;

    /// What stands around the frames of a user's turn; `timed`: each frame has its time. Asked once a stream, where frames
    /// stand in the user's turn.
    fn encode_user_turn(&self, timed: bool) -> Result<UserTurn, LanguageError> {
        let _ = timed;
        Err("stream.frames_in = \"user_turn\" is not known to this tokenizer: expected \"between_turns\""
            .into())
    }

    /// Encodes plain text, without adding a special token.
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LanguageError>;

    /// The text of generated ids, without special tokens, image tokens and a leading role.
    fn clean_reply(&self, ids: &[u32]) -> Result<String, LanguageError>;

    /// The beginning of the text of a reply that begins with `ids`. It contains only what any continuation
    /// keeps, so the [`Self::clean_reply`] of the whole reply begins with it. A character whose bytes are not
    /// complete is left out.
    fn clean_reply_so_far(&self, ids: &[u32]) -> Result<String, LanguageError> {
        let text = self.clean_reply(ids)?;
        Ok(text.trim_end_matches(char::REPLACEMENT_CHARACTER).trim_end().to_owned())
    }

    /// The id that means both "stay silent" and the end of an utterance.
    fn end_of_utterance(&self) -> u32;

    /// Whether a reply ends with this token. A checkpoint may have other end tokens in addition to the
    /// silence token.
    fn ends_reply(&self, token: u32) -> bool {
        token == self.end_of_utterance()
    }
}

/// A counter that uses the tokenizer of the checkpoint.
pub(crate) struct Counter<'a>(pub(crate) &'a dyn Language);

impl TokenCounter for Counter<'_> {
    fn message_tokens(&self, role: Role, text: &str) -> usize {
        // A text that cannot be encoded fits nowhere; the error itself comes when it is put in.
        self.0.encode_message(role, text, true).map_or(usize::MAX, |encoded| encoded.ids.len())
    }
}

/// The text, cut at its end to at most `tokens` tokens. The tokens are counted again after the cut, because
/// text that is decoded and encoded again may have more tokens.
pub(crate) fn fit(language: &dyn Language, text: &str, tokens: usize) -> Result<String, LanguageError> {
    let mut text = text.to_owned();
    while language.encode_text(&text)?.len() > tokens {
        text.pop();
    }
    Ok(text.trim().to_owned())
}
