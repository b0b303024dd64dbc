//! Turns a text into token ids.

use std::path::Path;

use tokenizers::normalizers::{Lowercase, NormalizerWrapper, Sequence};
use tokenizers::{PostProcessor, Tokenizer, TruncationParams};

use super::folder::{Limit, SentenceFolder};
use crate::error::{ModelError, Result, one_line};

/// `tokenizer.json`, with truncation at the length limit.
pub(super) struct TextTokenizer {
    tokenizer: Tokenizer,
    max_tokens: usize,
}

/// A tokenized text; both lists are `[tokens]`.
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    pub(super) type_ids: Vec<u32>,
}

impl TextTokenizer {
    pub(super) fn load(folder: &SentenceFolder, limit: &Limit) -> Result<Self> {
        let path = folder.transformer.join("tokenizer.json");
        let failed = |error| ModelError::Tokenizer { path: path.clone(), message: one_line(error) };
        let mut tokenizer = read(&path)?;
        if folder.lowercase() {
            let mut normalizers = vec![NormalizerWrapper::from(Lowercase)];
            normalizers.extend(tokenizer.get_normalizer().cloned());
            tokenizer.with_normalizer(Some(Sequence::new(normalizers))).map_err(failed)?;
        }
        let added = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        // Checked here, because the tokenizer library subtracts without a check.
        if !(added + 1..=limit.max).contains(&limit.tokens) {
            return Err(ModelError::Shape {
                path: limit.path.clone(),
                key: limit.key,
                value: limit.tokens.to_string(),
                expected: format!(
                    "{} (a token beside the {added} that are added) to {} (max_position_embeddings)",
                    added + 1,
                    limit.max
                ),
            });
        }
        // Truncation and padding of the file are settings of its training.
        let truncation = TruncationParams { max_length: limit.tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(failed)?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, max_tokens: limit.tokens })
    }

    pub(super) fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    pub(super) fn encode(&self, text: &str) -> Result<Tokens> {
        let encoding = self
            .tokenizer
            .encode(text, true)
            .map_err(|error| ModelError::Tokenise { message: one_line(error) })?;
        Ok(Tokens { ids: encoding.get_ids().to_vec(), type_ids: encoding.get_type_ids().to_vec() })
    }
}

fn read(path: &Path) -> Result<Tokenizer> {
    // Read here, because the library reports missing and damaged files alike.
    let bytes = std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
    Tokenizer::from_bytes(bytes)
        .map_err(|error| ModelError::Tokenizer { path: path.to_owned(), message: one_line(error) })
}
