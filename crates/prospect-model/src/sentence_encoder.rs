//! Sentence embeddings: BERT, the mean over its tokens, scaled to length 1 (Reimers & Gurevych 2019,
//! "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks").
//!
//! The reference implementation is `sentence-transformers`; both read the same folders.

mod bert;
mod folder;
mod text;

use std::path::Path;

use candle_core::Tensor;

use crate::error::{ModelError, Result};
use bert::Bert;
use folder::SentenceFolder;
use text::TextTokenizer;

/// Lower limit of a norm before dividing by it, as in `sentence-transformers`.
const MIN_NORM: f64 = 1e-12;

/// A loaded sentence encoder. It computes in f32 on the CPU.
pub struct SentenceEncoder {
    tokenizer: TextTokenizer,
    bert: Bert,
}

impl SentenceEncoder {
    /// Loads a `sentence-transformers` folder of the BERT family: `config.json`, `tokenizer.json` and
    /// `model.safetensors` (f32, bf16 or f16; shards are supported). The settings in `modules.json`,
    /// the pooling's `config.json` and `sentence_bert_config.json` are used if these files exist.
    /// Otherwise the pooling is the mean, and the length limit is that of the tokenizer or the model.
    ///
    /// # Errors
    /// Anything for which [`ModelError::is_bad_checkpoint`] holds.
    pub fn load(folder: &Path) -> Result<Self> {
        let folder = SentenceFolder::open(folder)?;
        let bert = Bert::load(&folder.transformer)?;
        let limit = folder.limit(bert.max_positions())?;
        Ok(Self { tokenizer: TextTokenizer::load(&folder, &limit)?, bert })
    }

    /// Number of components of an embedding.
    pub fn dimensions(&self) -> usize {
        self.bert.hidden_size()
    }

    /// Most tokens of a text, including those that the tokenizer adds. Longer texts are cut.
    pub fn max_tokens(&self) -> usize {
        self.tokenizer.max_tokens()
    }

    /// Embeddings `[texts, dimensions]`, each of length 1, so that the dot product of two is their
    /// cosine similarity. Texts are computed one by one without padding; an embedding does not depend
    /// on the other texts.
    ///
    /// # Errors
    /// [`ModelError::Tokenise`], [`ModelError::TokenId`], [`ModelError::NonFiniteEmbedding`], [`ModelError::Tensor`].
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        texts.iter().map(|text| self.encode_one(text)).collect()
    }

    fn encode_one(&self, text: &str) -> Result<Vec<f32>> {
        let tokens = self.tokenizer.encode(text)?;
        if tokens.ids.is_empty() {
            // An empty text, and a tokenizer that adds nothing. In `sentence-transformers` a mean over
            // no tokens is zero.
            return Ok(vec![0.0; self.dimensions()]);
        }
        normalised(&self.bert.forward(&tokens)?)
    }
}

/// The mean of `[tokens, hidden]` over the tokens, scaled to length 1.
fn normalised(hidden: &Tensor) -> Result<Vec<f32>> {
    let mut mean = hidden.mean(0)?.to_vec1::<f32>()?;
    if let Some(component) = mean.iter().position(|value| !value.is_finite()) {
        return Err(ModelError::NonFiniteEmbedding { value: mean[component], component });
    }
    let norm = mean.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt().max(MIN_NORM);
    for value in &mut mean {
        *value = (f64::from(*value) / norm) as f32;
    }
    Ok(mean)
}
