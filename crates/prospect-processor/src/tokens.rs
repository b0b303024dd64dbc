//! The tokenizer and the tokens with a meaning of their own.

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;

use crate::config::read_json;
use crate::error::{ProcessorError, Result, one_line};

/// Ids of the tokens with a meaning of their own, all from the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecialTokens {
    /// The placeholder whose embedding an image embedding replaces.
    pub image: u32,
    /// The end of a message; also the silence token of a stream.
    pub end_of_utterance: u32,
    /// What the chat template starts with.
    pub bos: u32,
    /// Padding.
    pub pad: u32,
    /// Stands before and after image tokens.
    pub fake_token_around_image: u32,
    /// Announces a whole image, not a tile; the first SmolVLM spells it in several tokens.
    pub global_image: Option<u32>,
}

/// The tokens' texts.
#[derive(Debug, Clone)]
pub(crate) struct TokenTexts {
    pub(crate) image: String,
    pub(crate) bos: String,
    pub(crate) fake: String,
    pub(crate) global: String,
    pub(crate) video: String,
}

/// `tokenizer.json` and what `tokenizer_config.json` says about it.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
    pub(crate) ids: SpecialTokens,
    pub(crate) texts: TokenTexts,
}

impl Tokens {
    pub(crate) fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join("tokenizer.json");
        if !path.exists() {
            return Err(ProcessorError::MissingFile { path, expected: "the tokenizer" });
        }
        let mut tokenizer = Tokenizer::from_file(&path)
            .map_err(|error| ProcessorError::Tokenizer { path: path.clone(), message: one_line(error) })?;
        // A stream must never be cut or padded behind our back.
        tokenizer
            .with_truncation(None)
            .map_err(|error| ProcessorError::Tokenizer { path: path.clone(), message: one_line(error) })?;
        tokenizer.with_padding(None);
        let config = read_json(&dir.join("tokenizer_config.json"))?.unwrap_or_default();
        let name = |key: &str, default: &str| {
            let value = config.get(key).or_else(|| config.get("extra_special_tokens")?.get(key));
            let text = value.and_then(|value| value.as_str().or_else(|| value.get("content")?.as_str()));
            text.unwrap_or(default).to_owned()
        };
        let texts = TokenTexts {
            image: name("image_token", "<image>"),
            bos: name("bos_token", "<|im_start|>"),
            fake: name("fake_image_token", "<fake_token_around_image>"),
            global: name("global_image_token", "<global-img>"),
            video: name("video_token", "<video>"),
        };
        let end = name("end_of_utterance_token", "<end_of_utterance>");
        let ids = SpecialTokens {
            image: id(&tokenizer, &path, &texts.image)?,
            end_of_utterance: id(&tokenizer, &path, &end)?,
            bos: id(&tokenizer, &path, &texts.bos)?,
            pad: id(&tokenizer, &path, &name("pad_token", "<|im_end|>"))?,
            fake_token_around_image: id(&tokenizer, &path, &texts.fake)?,
            global_image: tokenizer.token_to_id(&texts.global),
        };
        Ok(Self { tokenizer, ids, texts })
    }

    /// Token ids and the byte at which each begins.
    pub(crate) fn encode(&self, text: &str) -> Result<(Vec<u32>, Vec<usize>)> {
        let encoding = self.tokenizer.encode(text, false).map_err(failed)?;
        let starts = encoding.get_offsets().iter().map(|offsets| offsets.0).collect();
        Ok((encoding.get_ids().to_vec(), starts))
    }

    pub(crate) fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        self.tokenizer.decode(ids, skip_special).map_err(failed)
    }

    /// Whether the id is one of the tokens with a meaning of their own.
    pub(crate) fn is_special(&self, token: u32) -> bool {
        let ids = &self.ids;
        [ids.image, ids.end_of_utterance, ids.bos, ids.pad, ids.fake_token_around_image].contains(&token)
            || ids.global_image == Some(token)
    }
}

fn id(tokenizer: &Tokenizer, path: &Path, token: &str) -> Result<u32> {
    tokenizer
        .token_to_id(token)
        .ok_or_else(|| ProcessorError::MissingToken { path: PathBuf::from(path), token: token.into() })
}

fn failed(error: tokenizers::Error) -> ProcessorError {
    ProcessorError::Encode { message: one_line(error) }
}
