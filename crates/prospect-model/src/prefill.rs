//! Puts a chunk or a token of one stream into its cache, in a pass of its own.

use std::slice;

use crate::answer::{Found, Wanted};
use crate::batch::Input;
use crate::cache::KvCache;
use crate::embeddings::Embeddings;
use crate::error::{GenerationError, Result};
use crate::passes::check_finite;
use crate::sampling::Choice;
use crate::smolvlm::SmolVlm;

impl SmolVlm {
    /// Appends a chunk to the cache and returns the logits after its last token, `[vocab]`.
    ///
    /// # Errors
    /// After any error the cache is unchanged:
    /// [`ModelError::EmptyChunk`](crate::ModelError::EmptyChunk),
    /// [`ModelError::CacheFull`](crate::ModelError::CacheFull),
    /// [`ModelError::Position`](crate::ModelError::Position),
    /// [`ModelError::NonFiniteLogits`](crate::ModelError::NonFiniteLogits).
    pub fn prefill(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<f32>> {
        let mut logits = Vec::new();
        self.prefill_into(chunk, cache, &mut logits)?;
        Ok(logits)
    }

    /// As [`Self::prefill`], into a buffer that is reused from chunk to chunk.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_into(&self, chunk: &Embeddings, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<()> {
        self.put(Input::Chunk(chunk), cache, Wanted::Logits, logits).map(drop)
    }

    /// As [`Self::prefill_into`], but returns the likeliest tokens and the probability of the token
    /// `silence`. A GPU computes these itself, and no logits are copied back. Elsewhere `logits` holds
    /// the computed logits afterwards.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_choice(
        &self,
        chunk: &Embeddings,
        cache: &mut KvCache,
        silence: u32,
        logits: &mut Vec<f32>,
    ) -> Result<Choice> {
        let wanted = Wanted::Choice { silence };
        match self.put(Input::Chunk(chunk), cache, wanted, logits)? {
            Found::Choice(choice) => Ok(choice),
            // Unreachable: the answer has the requested form.
            _ => Err(GenerationError::NotEnough { wanted }.into()),
        }
    }

    /// Appends one token to the cache, like [`Self::embed_words`] followed by [`Self::prefill_into`],
    /// without allocating.
    ///
    /// # Errors
    /// As [`Self::embed_words`] and [`Self::prefill`].
    pub fn decode_into(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<()> {
        self.put(Input::Word(id), cache, Wanted::Logits, logits).map(drop)
    }

    /// Appends one token to the cache and returns the likeliest next token. A GPU picks it itself, and
    /// no logits are copied back. `logits` is a buffer that is reused from token to token.
    ///
    /// # Errors
    /// As [`Self::decode_into`].
    pub fn decode_likeliest(&self, id: u32, cache: &mut KvCache, logits: &mut Vec<f32>) -> Result<u32> {
        let wanted = Wanted::Likeliest;
        match self.put(Input::Word(id), cache, wanted, logits)? {
            Found::Likeliest(id) => Ok(id),
            // Unreachable: the answer has the requested form.
            _ => Err(GenerationError::NotEnough { wanted }.into()),
        }
    }

    /// As [`Self::prefill`], but with the logits of every token, `[tokens][vocab]`, for comparison with
    /// other implementations.
    ///
    /// # Errors
    /// As [`Self::prefill`].
    pub fn prefill_all_logits(&self, chunk: &Embeddings, cache: &mut KvCache) -> Result<Vec<Vec<f32>>> {
        let (mut logits, vocab) = (Vec::new(), self.config().text_config.vocab_size);
        let input = Input::Chunk(chunk);
        let mut piece = self.piece(&input, cache, Wanted::Logits)?.with_rows(chunk.tokens());
        let passes = self.passes();
        let forward = passes.forward(slice::from_mut(&mut piece), &mut logits);
        forward.and_then(|()| check_finite(&logits, vocab)).inspect_err(|_| piece.undo())?;
        Ok(logits.chunks_exact(vocab).map(<[f32]>::to_vec).collect())
    }
}
