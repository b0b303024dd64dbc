//! The processor of a checkpoint, as the [`Language`] of its sessions.

use std::sync::Arc;

use prospect_context::{Encoded, Role};
use prospect_processor::Processor;
use prospect_session::{Language, LanguageError};

/// The tokenizer and chat template of a checkpoint.
pub struct CheckpointLanguage(pub Arc<Processor>);

impl Language for CheckpointLanguage {
    fn encode_message(&self, role: Role, text: &str, first: bool) -> Result<Encoded, LanguageError> {
        Ok(self.0.encode_message(role, text, first)?)
    }

    fn encode_generation_prompt(&self) -> Result<Encoded, LanguageError> {
        Ok(self.0.encode_generation_prompt()?)
    }

    fn encode_frame(&self, time: Option<f64>) -> Result<Encoded, LanguageError> {
        Ok(self.0.encode_frame(time)?)
    }

    fn encode_text(&self, text: &str) -> Result<Vec<u32>, LanguageError> {
        Ok(self.0.encode_text(text)?)
    }

    fn clean_reply(&self, ids: &[u32]) -> Result<String, LanguageError> {
        Ok(self.0.clean_reply(ids)?)
    }

    fn clean_reply_so_far(&self, ids: &[u32]) -> Result<String, LanguageError> {
        Ok(self.0.clean_reply_so_far(ids)?)
    }

    fn end_of_utterance(&self) -> u32 {
        self.0.special().end_of_utterance
    }

    fn ends_reply(&self, token: u32) -> bool {
        self.0.ends().contains(&token)
    }
}
