//! Text to token ids and back, as one checkpoint does it.

use prospect_context::{Encoded, Role, TokenCounter};

/// What a tokenizer or a template says, in one line.
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

/// The tokenizer and chat template of a checkpoint: the one part of it that a session asks directly.
pub trait Language: Send + Sync {
    /// A message in the middle of the stream (`first`: at the start of an empty cache).
    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, LanguageError>;

    /// What stands before a reply that was asked for.
    fn encode_generation_prompt(&self) -> Result<Encoded, LanguageError>;

    /// A frame's tokens, with its time in seconds where the text shows it.
    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, LanguageError>;

    /// What stands around the frames of a user's turn; `timed`: each frame has its time. Asked once a stream, where frames
    /// stand in the user's turn.
    fn encode_user_turn(&self, timed: bool) -> Result<UserTurn, LanguageError> {
        let _ = timed;
        Err("stream.frames_in = \"user_turn\" is not known to this tokenizer: expected \"between_turns\""
            .into())
    }

    /// Token ids of plain text, without any special token added.
    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LanguageError>;

    /// The text of generated ids, without special tokens, image tokens and a leading role.
    fn clean_reply(&self, ids: &[u32]) -> Result<String, LanguageError>;

    /// Of a reply that begins with `ids` as much as stays whatever follows: [`Self::clean_reply`] of the whole begins with it. A
    /// character that is not whole yet is no part of it.
    fn clean_reply_so_far(&self, ids: &[u32]) -> Result<String, LanguageError> {
        let text = self.clean_reply(ids)?;
        Ok(text.trim_end_matches(char::REPLACEMENT_CHARACTER).trim_end().to_owned())
    }

    /// The id that is both "stay silent" and the end of an utterance.
    fn end_of_utterance(&self) -> u32;

    /// Whether a reply ends with this token; a checkpoint may name others beside the one that is silence.
    fn ends_reply(&self, token: u32) -> bool {
        token == self.end_of_utterance()
    }
}

/// Counts with the checkpoint's own tokenizer.
pub(crate) struct Counter<'a>(pub(crate) &'a dyn Language);

impl TokenCounter for Counter<'_> {
    fn message_tokens(&self, role: Role, text: &str) -> usize {
        // A text that cannot be encoded fits nowhere; the error itself comes when it is put in.
        self.0.encode_message(role, text, true).map_or(usize::MAX, |encoded| encoded.ids.len())
    }
}

/// `text`, cut at the end until it takes at most `tokens` tokens: text that is decoded and encoded again may have grown.
pub(crate) fn fit(language: &dyn Language, text: &str, tokens: usize) -> Result<String, LanguageError> {
    let mut text = text.to_owned();
    while language.encode_text(&text)?.len() > tokens {
        text.pop();
    }
    Ok(text.trim().to_owned())
}
